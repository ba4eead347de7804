"""A model opened anew in its own place."""

from __future__ import annotations

import asyncio

import pytest

from asr.engine import EngineError
from asr.memory_rule import Fit
from tests.support.model_bench import Bench, spec, until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


async def test_the_new_engine_answers_and_the_old_one_is_closed_when_it_is_free() -> None:
    bench = Bench()
    await bench.manager.load("a")
    pace = bench.manager.current_pace
    bench.host.old_engine_free.clear()
    await bench.manager.reopening.reopen(spec("a"), lost=False)
    old, new = bench.engines
    assert bench.host.attached == {"a": new}
    assert bench.manager.current_info is new.info
    assert bench.manager.current_pace is pace, "it does not change under who holds the model"
    assert not old.closed
    bench.host.old_engine_free.set()
    await until(lambda: old.closed)
    await bench.manager.close()
    assert new.closed


async def test_an_old_engine_that_hangs_holds_up_nobody() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.host.old_engine_free.clear()
    await bench.manager.reopening.reopen(spec("a"), lost=False)
    await bench.manager.close()
    assert [engine.closed for engine in bench.engines] == [False, True]


async def test_a_model_that_does_not_open_leaves_things_as_they_are() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.broken.add("a")
    with pytest.raises(EngineError, match="damaged"):
        await bench.manager.reopening.reopen(spec("a"), lost=True)
    assert bench.host.attached == {"a": bench.engines[0]}
    await bench.manager.close()


@pytest.mark.parametrize(("lost", "opens"), [(True, True), (False, False)])
async def test_a_lost_engine_makes_room_for_the_new_one(lost: bool, opens: bool) -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.room = lambda loaded_mb: Fit.BESIDE if loaded_mb == 0 else Fit.INSTEAD
    reopened = asyncio.create_task(bench.manager.reopening.reopen(spec("a"), lost=lost))
    await asyncio.wait({reopened})
    assert (reopened.exception() is None) is opens
    await bench.manager.close()


async def test_a_model_that_is_not_loaded_is_not_opened() -> None:
    bench = Bench()
    await bench.manager.load("a")
    with pytest.raises(EngineError, match="not in memory"):
        await bench.manager.reopening.reopen(spec("b"), lost=True)
    await bench.manager.close()


async def test_a_model_that_left_meanwhile_does_not_come_back() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    reopened = asyncio.create_task(bench.manager.reopening.reopen(spec("a"), lost=True))
    await until(lambda: bench.asked == ["a", "a"])
    switched = asyncio.create_task(bench.manager.load("b"))
    bench.gate.set()
    await switched
    await asyncio.wait({reopened})
    await bench.manager.close()
    assert all(engine.closed for engine in bench.engines)
