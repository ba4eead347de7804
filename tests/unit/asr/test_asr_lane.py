"""A lane's threads: replaced when they are gone, and not beyond measure."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from asr.lane import ABANDONED_PER_WORKER, Lane, Loss
from asr.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.asyncio


def lane(workers: int = 2) -> Lane:
    return Lane.of("m", ScriptedEngine("m", workers=workers), lambda: 0.0, Counter())


async def test_a_thread_that_died_while_it_was_free_is_replaced() -> None:
    made = lane()
    dead = made.free[0]
    dead.stop()
    async with asyncio.timeout(10):
        while dead.alive:  # noqa: ASYNC110 - a thread's end has no event
            await asyncio.sleep(0)
    made.mend()
    assert dead not in made.workers
    assert len(made.free) == len(made.workers) == 2
    assert made.losses == {Loss.DIED: 1}
    made.dismiss()


async def test_hanging_threads_are_replaced_up_to_a_bound_and_come_back() -> None:
    made = lane(workers=1)
    hanging = []
    for _ in range(ABANDONED_PER_WORKER):
        hanging.append(made.free.pop())
        made.lose(hanging[-1], Loss.HUNG)
        assert not made.stuck
    hanging.append(made.free.pop())
    made.lose(hanging[-1], Loss.HUNG)
    assert made.stuck
    assert made.health.abandoned == ABANDONED_PER_WORKER + 1
    made.note_idle()
    assert not made.idle.is_set(), "an engine with hanging calls is not closed"
    made.came_back(hanging[0])
    assert made.free == [hanging[0]], "a thread that is there is used again"
    for each in hanging[1:]:
        made.came_back(each)
    assert len(made.workers) == 1
    made.note_idle()
    assert made.idle.is_set()
    made.dismiss()


async def test_a_thread_of_the_engine_before_does_not_count() -> None:
    made = lane(workers=1)
    old = made.free.pop()
    assert made.exchange(ScriptedEngine("m", workers=1)) == {old}
    made.lose(old, Loss.HUNG)
    made.give_back(old)
    made.came_back(old)
    assert made.health.abandoned == 0
    assert old not in made.free
    assert made.losses == {}
    made.dismiss()
