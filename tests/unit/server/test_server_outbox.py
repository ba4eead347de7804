"""An outbox with a socket whose reader is as slow as the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.outbox import MAX_CHARS, MAX_EVENTS, SLOW_CONSUMER_CODE, Outbox

pytestmark = pytest.mark.asyncio


class FakeTransport:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class FakeSocket:
    """Takes a message while `reading` is set; `close` waits for it too unless `takes_close`."""

    def __init__(self, *, reading: bool = True, takes_close: bool = True) -> None:
        self.transport = FakeTransport()
        self.reading = asyncio.Event()
        if reading:
            self.reading.set()
        self.takes_close = takes_close
        self.sending = asyncio.Event()
        self.sent: list[str] = []
        self.closed: list[int] = []

    async def send(self, message: str) -> None:
        self.sending.set()
        await self.reading.wait()
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        assert len(reason.encode()) <= 123, "a close frame holds no more"
        if not self.takes_close:
            await self.reading.wait()
        self.closed.append(code)


@asynccontextmanager
async def running(outbox: Outbox, socket: FakeSocket) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(outbox.run(socket))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def sent_of(outbox: Outbox) -> list[str]:
    """Everything queued, as a reader gets it."""
    socket = FakeSocket()
    async with running(outbox, socket):
        await outbox.flushed()
    return socket.sent


async def test_events_go_out_in_order() -> None:
    outbox = Outbox()
    for text in ("one", "two", "three"):
        outbox.put(text)
    assert await sent_of(outbox) == ["one", "two", "three"]


async def test_what_is_put_while_sending_follows() -> None:
    outbox, socket = Outbox(), FakeSocket()
    async with running(outbox, socket):
        outbox.put("one")
        await outbox.flushed()
        outbox.put("two")
        await outbox.flushed()
    assert socket.sent == ["one", "two"]


async def test_waiting_partials_of_one_utterance_merge_in_the_newest_ones_place() -> None:
    outbox = Outbox()
    outbox.put("p1", "a/1")
    outbox.put("q1", "b/1")
    outbox.put("answer")
    outbox.put("p2", "a/1")
    outbox.put("p3", "a/1")
    assert outbox.merged == 2
    assert await sent_of(outbox) == ["q1", "answer", "p3"]


async def test_a_partial_that_was_sent_is_not_merged_into() -> None:
    outbox, socket = Outbox(), FakeSocket()
    async with running(outbox, socket):
        outbox.put("p1", "a/1")
        await outbox.flushed()
        outbox.put("p2", "a/1")
        await outbox.flushed()
    assert socket.sent == ["p1", "p2"]


async def test_a_final_supersedes_its_waiting_partial_and_no_other() -> None:
    outbox = Outbox()
    outbox.put("partial 1", "a/1")
    outbox.put("partial 2", "a/2")
    outbox.supersede("a/1")
    outbox.supersede("a/9")
    outbox.put("final 1")
    assert await sent_of(outbox) == ["partial 2", "final 1"]


async def test_a_partial_after_its_superseding_is_new() -> None:
    outbox = Outbox()
    outbox.put("old", "a/1")
    outbox.supersede("a/1")
    outbox.put("new", "a/1")
    assert await sent_of(outbox) == ["new"]


async def test_partials_are_left_out_when_there_is_no_room() -> None:
    outbox = Outbox()
    for number in range(MAX_EVENTS):
        outbox.put(f"final {number}")
    outbox.put("partial", "a/1")
    assert not outbox.overflowed
    assert await sent_of(outbox) == [f"final {number}" for number in range(MAX_EVENTS)]


async def test_a_waiting_partial_is_renewed_even_when_there_is_no_room() -> None:
    outbox = Outbox()
    outbox.put("p1", "a/1")
    for number in range(MAX_EVENTS - 1):
        outbox.put(f"final {number}")
    outbox.put("p2", "a/1")
    assert (await sent_of(outbox))[-1] == "p2"


@pytest.mark.parametrize("text", ["x", "x" * (MAX_CHARS // 8)])
async def test_too_many_events_that_cannot_be_left_out_close_the_connection(text: str) -> None:
    outbox, socket = Outbox(), FakeSocket(reading=False)
    async with running(outbox, socket) as task:
        for _ in range(MAX_EVENTS + 2):
            outbox.put(text)
        assert outbox.overflowed
        await task
    assert socket.closed == [SLOW_CONSUMER_CODE]
    assert not socket.transport.aborted
    outbox.put("after")
    await outbox.flushed()
    assert socket.sent == []


async def test_as_many_characters_as_are_allowed_do_not_overflow() -> None:
    outbox = Outbox()
    outbox.put("x" * MAX_CHARS)
    assert not outbox.overflowed
    outbox.put("y")
    assert outbox.overflowed


async def test_a_partial_that_grew_counts_with_its_new_length() -> None:
    outbox = Outbox()
    outbox.put("p", "a/1")
    outbox.put("p" * MAX_CHARS, "a/1")
    outbox.put("y")
    assert outbox.overflowed


async def test_sent_and_superseded_events_make_room() -> None:
    outbox, socket = Outbox(), FakeSocket()
    async with running(outbox, socket):
        for number in range(3):
            outbox.put("x" * (MAX_CHARS - 1))
            await outbox.flushed()
            outbox.put("y" * (MAX_CHARS - 1), f"a/{number}")
            outbox.supersede(f"a/{number}")
        assert not outbox.overflowed


async def test_a_send_that_never_ends_does_not_hold_up_the_close() -> None:
    outbox, socket = Outbox(close_s=0.0), FakeSocket(reading=False, takes_close=False)
    async with running(outbox, socket) as task:
        outbox.put("in flight")
        await socket.sending.wait()
        for _ in range(MAX_EVENTS + 1):
            outbox.put("x")
        await task
    assert socket.transport.aborted


async def test_a_failed_send_is_the_callers() -> None:
    class Gone(FakeSocket):
        async def send(self, message: str) -> None:
            raise ConnectionResetError(message)

    outbox = Outbox()
    outbox.put("x")
    with pytest.raises(ConnectionResetError):
        await outbox.run(Gone())


async def test_cancelled_it_leaves_no_task_behind() -> None:
    async with running(Outbox(), FakeSocket()):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_partials_that_gave_way_do_not_pile_up_in_front_of_a_frozen_reader() -> None:
    outbox = Outbox()
    outbox.put("first")
    for number in range(10 * MAX_EVENTS):
        outbox.put(f"p{number}", "a/1")
    assert outbox.entries_kept <= 2 * MAX_EVENTS
    assert await sent_of(outbox) == ["first", f"p{10 * MAX_EVENTS - 1}"]


async def test_what_was_missed_is_beyond_the_bound_and_leaves_it_to_the_rest() -> None:
    outbox, socket = Outbox(), FakeSocket()
    for number in range(3 * MAX_EVENTS):
        outbox.put_backlog(f"missed {number}")
    for number in range(MAX_EVENTS):
        outbox.put(f"live {number}")
    assert not outbox.overflowed
    async with running(outbox, socket):
        await outbox.flushed()
    assert len(socket.sent) == 4 * MAX_EVENTS
    for number in range(MAX_EVENTS + 1):
        outbox.put(f"later {number}")
    assert outbox.overflowed


async def test_the_characters_of_what_was_missed_are_beyond_the_bound_too() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.put_backlog("x" * MAX_CHARS)
    outbox.put_backlog("partial", "a/1")
    outbox.put("y" * (MAX_CHARS - 1))
    outbox.put("z", "a/1")
    assert not outbox.overflowed
    outbox.put("one too much")
    assert outbox.overflowed


async def test_room_that_what_was_missed_took_is_not_left_to_the_rest() -> None:
    stuck = asyncio.Event()

    class Stopping(FakeSocket):
        async def send(self, message: str) -> None:
            if message == "live":
                stuck.set()
                self.reading.clear()
            await super().send(message)

    outbox = Outbox()
    for number in range(MAX_EVENTS):
        outbox.put_backlog(f"missed {number}")
    outbox.put("live")
    async with running(outbox, Stopping()):
        await stuck.wait()
        for number in range(MAX_EVENTS):
            outbox.put(f"later {number}")
        assert not outbox.overflowed
        outbox.put("one too much")
        assert outbox.overflowed
