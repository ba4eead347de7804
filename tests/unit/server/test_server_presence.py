from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from server import presence
from server.presence import Presence

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SETTLED_S", 0.0)


class FakeLine:
    def __init__(self) -> None:
        self.pinged = asyncio.Event()
        self.pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def ping(self) -> Awaitable[float]:
        self.pinged.set()
        return self.pong

    async def answer(self) -> None:
        await self.pinged.wait()
        self.pong.set_result(0.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_who_cannot_come_back_is_always_there() -> None:
    line = FakeLine()
    there = Presence(matters=False)
    there.attach(line)
    there.look()
    await asyncio.sleep(0)
    assert there.is_there()
    assert not line.pinged.is_set()


async def test_a_client_is_there_once_it_answers() -> None:
    line = FakeLine()
    there = Presence(matters=True)
    there.attach(line)
    assert not there.is_there()
    there.look()
    assert not there.is_there()
    await line.answer()
    assert there.is_there()
    there.look()
    assert not there.is_there(), "an old answer says nothing of now"
    there.detach()


async def test_a_client_whose_connection_is_lost_is_not_there() -> None:
    line = FakeLine()
    there = Presence(matters=True)
    there.attach(line)
    there.look()
    await line.answer()
    there.detach()
    assert not there.is_there()
    there.look()
    assert not there.is_there()


async def test_a_client_that_is_back_is_asked_when_it_had_time_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "AFTER_RETURN_S", 0.05)
    there = Presence(matters=True)
    there.attach(FakeLine())
    there.look()
    there.detach()
    line = FakeLine()
    there.attach(line)
    await asyncio.sleep(0)
    assert not line.pinged.is_set()
    await line.answer()
    assert there.is_there()
    there.detach()


async def test_an_answer_counts_once_what_came_before_it_has_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "SETTLED_S", 0.1)
    line = FakeLine()
    there = Presence(matters=True)
    there.attach(line)
    there.look()
    await line.answer()
    assert not there.is_there()
    await asyncio.sleep(0.11)
    assert there.is_there()
    there.detach()
