"""The scheduler when a model goes, or the server does."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter

import pytest

from asr.types import DecodeKind, DecodeRequest
from tests.support.scheduler_bench import bench, codes, request

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


async def test_detach_finishes_what_there_is_and_refuses_more() -> None:
    async with bench() as b:
        held = await b.hold_worker()
        waits = request("a")
        b.submit(waits)
        detached = asyncio.create_task(b.scheduler.detach("m"))
        await asyncio.sleep(0)
        late = request("b")
        b.submit(late)
        assert codes(await b.collect(1)) == ["model_not_loaded"]
        assert not detached.done()
        b.gate.set()
        await detached
        assert set(await b.collect(2)) == {held, waits}
        b.scheduler.attach("m", b.engine)
        b.submit(request())
        await b.collect(1)


async def test_detach_of_an_idle_or_unknown_model_returns() -> None:
    async with bench() as b:
        await b.scheduler.detach("m")
        await b.scheduler.detach("m")
        await b.scheduler.detach("unknown")


async def test_a_cancelled_detach_leaves_the_model_attached() -> None:
    async with bench() as b:
        await b.hold_worker()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(b.scheduler.detach("m"), 0.01)
        b.submit(request("a"))
        b.gate.set()
        assert codes(await b.collect(2)) == ["DecodeResult"] * 2


async def test_close_gives_every_request_its_one_outcome() -> None:
    async with bench() as b:
        held = await b.hold_worker()
        waits = request("a")
        b.submit(waits)
        await b.until(lambda: b.scheduler.stats().waiting_finals == 1)
        hold_dsp = threading.Event()
        b.dsp.submit(hold_dsp.wait)
        prepares = request("b")
        b.submit(prepares)
        closed = asyncio.create_task(b.scheduler.close())
        outcomes = await b.collect(3)
        assert set(outcomes) == {held, waits, prepares}
        assert codes(outcomes) == ["shutting_down"] * 3
        assert not closed.done()  # it waits for the call that runs
        hold_dsp.set()
        b.gate.set()
        await closed
        b.submit(request())
        assert codes(await b.collect(1)) == ["shutting_down"]
        assert b.engine.batches == [(held,)]


async def test_close_abandons_a_call_that_outlasts_the_grace() -> None:
    async with bench() as b:
        await b.hold_worker()
        detached = asyncio.create_task(b.scheduler.detach("m"))
        await asyncio.sleep(0)
        await b.scheduler.close(grace_s=0.01)
        await detached
        assert codes(await b.collect(1)) == ["shutting_down"]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_every_request_gets_exactly_one_outcome(seed: int) -> None:
    chance = random.Random(seed)
    received: Counter[DecodeRequest] = Counter()
    asked: list[DecodeRequest] = []

    async with bench(workers=2, max_batch=3) as b:
        for number in range(150):
            asked.append(
                request(
                    chance.choice(["a", "b", "c", "bad"]),
                    chance.choice(list(DecodeKind)),
                    utterance_id=number // 10,
                    revision=chance.randrange(100),
                )
            )
            b.scheduler.submit(asked[-1], lambda outcome: received.update([outcome.request]))
            if chance.random() < 0.2:
                b.scheduler.retire(chance.choice("abc"), 0, number // 10, None)
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        if seed % 2:
            await b.until(lambda: len(received) == len(asked))
        await b.scheduler.close()
        assert received == Counter(asked)
