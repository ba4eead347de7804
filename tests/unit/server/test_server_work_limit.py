"""Whoever accepts audio waits for room, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from server.work_estimate import DecodeSpeed, Work
from server.work_limit import WorkLimit

pytestmark = pytest.mark.asyncio

SPEED = DecodeSpeed(cost=1.0, workers=1)
TOO_MUCH = Work(100.0, 2)


class FakeWorker:
    """A connection whose work is what a test says."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._settled = asyncio.Event()

    def settle(self, work: Work) -> None:
        self.work = work
        self._settled.set()

    async def one_settled(self) -> None:
        self._settled.clear()
        await self._settled.wait()


def limit_of(*workers: FakeWorker, speed: DecodeSpeed | None = SPEED) -> WorkLimit:
    limit = WorkLimit(6.0, lambda: speed)
    for worker in workers:
        limit.join(worker)
    return limit


async def waiting(limit: WorkLimit, worker: FakeWorker) -> asyncio.Task[bool]:
    """Ask for room; it is not there yet."""
    asking = asyncio.create_task(limit.room(worker, 1.0))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not asking.done()
    return asking


async def test_there_is_room_for_who_owes_little() -> None:
    worker = FakeWorker(Work(1.0, 1))
    assert await limit_of(worker).room(worker, 1.0)


async def test_room_comes_with_finals() -> None:
    worker = FakeWorker(TOO_MUCH)
    asking = await waiting(limit_of(worker), worker)
    worker.settle(Work(90.0, 2))
    await asyncio.sleep(0)
    assert not asking.done()
    worker.settle(Work(1.0, 1))
    assert await asking


async def test_everybodys_work_counts() -> None:
    one, other = FakeWorker(Work(1.0, 1)), FakeWorker(TOO_MUCH)
    limit = limit_of(one, other)
    assert limit.work == Work(101.0, 3)
    asking = await waiting(limit, one)
    limit.leave(other)
    one.settle(one.work)
    assert await asking


async def test_who_waits_for_no_final_is_not_held_up_by_others() -> None:
    one, other = FakeWorker(Work(14.0, 0)), FakeWorker(TOO_MUCH)
    assert await limit_of(one, other).room(one, 1.0)


async def test_when_the_server_ends_there_is_none() -> None:
    worker = FakeWorker(TOO_MUCH)
    limit = limit_of(worker)
    asking = await waiting(limit, worker)
    limit.close()
    worker.settle(worker.work)
    assert not await asking
    worker.settle(Work(0.0, 0))
    assert not await limit.room(worker, 1.0)


async def test_without_a_measurement_nobody_waits() -> None:
    worker = FakeWorker(TOO_MUCH)
    assert await limit_of(worker, speed=None).room(worker, 1.0)
