"""Whatever is put into an inbox comes out in order, and the bounds hold all the way."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from server.inbox import MAX_OTHER_ITEMS, Inbox

LIMIT_S = 4.0
COMMAND = 0.0
SECONDS = st.one_of(st.just(COMMAND), st.floats(0.001, 3.0), st.floats(3.0, 20.0))


@given(items=st.lists(SECONDS, max_size=150), consumer_starts_after=st.integers(0, 50))
def test_order_and_bounds(items: list[float], consumer_starts_after: int) -> None:
    asyncio.run(run_through(items, consumer_starts_after))


async def run_through(items: list[float], consumer_starts_after: int) -> None:
    inbox = Inbox[int](LIMIT_S, lambda: None, overloaded_after_s=60.0)
    waiting: set[int] = set()

    async def produce() -> None:
        for number, seconds in enumerate(items):
            await inbox.put(number, seconds)
            waiting.add(number)

    producing = asyncio.create_task(produce())
    for _ in range(consumer_starts_after):
        await asyncio.sleep(0)
    for number in range(len(items)):
        assert await asyncio.wait_for(inbox.get(), timeout=10) == number
        waiting.discard(number)
        audio = [items[n] for n in waiting if items[n] > 0]
        assert sum(audio) <= LIMIT_S + 1e-6 or len(audio) == 1
        assert len(waiting) - len(audio) <= MAX_OTHER_ITEMS
    await producing
    assert inbox.audio_s == 0.0
