from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from client.feed import Feed
from client.kept_audio import AudioFormat


class Endless:
    """A source that can wait."""

    name = "endless"
    audio_format = AudioFormat(1_000)
    header = b""
    read_ahead_s: float | None = 2.0
    total_s: float | None = None

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield bytes(2_000)


async def test_a_server_that_owes_a_final_is_waited_for_and_not_for_ever() -> None:
    feed = Feed(Endless(), patience_s=0.05)
    feed.connected()
    feed.kept.utterance_started(1, 500)
    sent_s = 0
    async with asyncio.timeout(20):
        while sent_s < 100:
            assert await feed.next_block() is not None
            feed.kept.sent(0.0)
            feed.wake()
            sent_s += 1
            if sent_s == 3:
                feed.kept.utterance_ended(1, 2_000)  # nobody spoke: no final comes
            if sent_s == 55:
                assert feed.kept.needed_ms < 60_000
    await feed.close()


async def test_a_final_lets_the_source_go_on() -> None:
    feed = Feed(Endless(), patience_s=3_600)
    feed.connected()
    feed.kept.utterance_started(1, 500)
    feed.kept.utterance_ended(1, 2_000)
    async with asyncio.timeout(20):
        for _ in range(59):
            assert await feed.next_block() is not None
            feed.wake()
        waiting = asyncio.create_task(feed.next_block())
        feed.kept.utterance_done(1, 2_000)
        feed.wake()
        assert await waiting is not None
    await feed.close()


async def test_a_loss_is_told_once_and_a_small_one_waits() -> None:
    feed = Feed(Endless())
    for _ in range(63):
        feed.kept.heard(bytes(2_000))
    assert feed.lost_note(at_least_s=10.0) is None
    note = feed.lost_note()
    assert note is not None
    assert note.startswith("Error: 3.0 s of endless were not recognised")
    assert feed.lost_note() is None
