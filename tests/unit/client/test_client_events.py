from __future__ import annotations

import asyncio

import pytest

from client.events import BadEventError, EventQueue, parse_event
from server import protocol
from server.messages import Event, ServerShutdown
from tests.support.fake_server import final, partial


@pytest.mark.parametrize("event", [partial("ส", "ส"), final("สวัสดี", speaker="a")])
def test_what_the_server_encodes_is_parsed_back(event: Event) -> None:
    assert parse_event(protocol.encode(event)) == event


def test_events_of_a_newer_server_are_skipped() -> None:
    assert parse_event('{"type": "weather_report", "fraction": 0.5}') is None


@pytest.mark.parametrize("message", ["{", "[]", '{"type": 1}', '{"type": "pong"}', b"\xff"])
def test_what_is_no_event_is_an_error(message: str | bytes) -> None:
    with pytest.raises(BadEventError):
        parse_event(message)


@pytest.mark.asyncio
async def test_events_come_in_order_and_then_the_end() -> None:
    queue = EventQueue(limit=2)
    first, second = ServerShutdown(grace_s=1), ServerShutdown(grace_s=2)
    await queue.put(first)
    await queue.put(second)
    queue.finish(None)
    assert [await queue.get(), await queue.get()] == [first, second]
    with pytest.raises(StopAsyncIteration):
        await queue.get()


@pytest.mark.asyncio
async def test_the_error_comes_after_the_last_event() -> None:
    queue = EventQueue(limit=2)
    await queue.put(ServerShutdown(grace_s=1))
    queue.finish(OSError("gone"))
    queue.finish(None)
    await queue.get()
    with pytest.raises(OSError, match="gone"):
        await queue.get()


@pytest.mark.asyncio
async def test_a_full_queue_makes_the_reader_wait() -> None:
    queue = EventQueue(limit=1)
    await queue.put(ServerShutdown(grace_s=1))
    waiting = asyncio.create_task(queue.put(ServerShutdown(grace_s=2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.get()
    await waiting
    assert await queue.get() == ServerShutdown(grace_s=2)


@pytest.mark.asyncio
async def test_finishing_lets_a_waiting_reader_go() -> None:
    queue = EventQueue(limit=1)
    await queue.put(ServerShutdown(grace_s=1))
    waiting = asyncio.create_task(queue.put(ServerShutdown(grace_s=2)))
    await asyncio.sleep(0)
    queue.finish(None)
    await waiting
    assert await queue.get() == ServerShutdown(grace_s=1)
    with pytest.raises(StopAsyncIteration):
        await queue.get()
