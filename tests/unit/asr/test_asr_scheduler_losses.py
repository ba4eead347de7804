"""The scheduler when decode threads die or hang."""

from __future__ import annotations

import ctypes
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from asr.engine import EngineError, Prepared
from asr.lane import ABANDONED_PER_WORKER
from asr.scheduler import Scheduler
from asr.scripted_engine import ScriptedEngine
from asr.types import DecodeDropped, DecodeOutcome, DecodeRequest, DecodeResult, Hypothesis
from tests.support.losing_engine import LosingEngine
from tests.support.scheduler_bench import Bench, bench, codes, request

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(30)]


def losing(b: Bench, workers: int = 1, max_batch: int = 4) -> LosingEngine:
    """In place of the bench's engine."""
    engine = LosingEngine(workers=workers, max_batch=max_batch)
    b.scheduler.exchange("m", engine)
    return engine


async def test_what_a_dying_thread_had_is_decoded_by_another() -> None:
    async with bench() as b:
        engine = losing(b)
        engine.deaths["a"] = 1
        b.submit(request("a"))
        assert codes(await b.collect(1)) == ["DecodeResult"]
        stats = b.scheduler.stats()
        assert stats.threads_lost == {"decode_thread_died": 1, "decode_timeout": 0}
        health = b.scheduler.health("m")
        assert health is not None
        assert (health.workers, health.abandoned, health.stuck) == (1, 0, False)


async def test_what_kills_every_thread_fails_alone_at_the_second_time() -> None:
    async with bench() as b:
        engine = losing(b)
        held = await hold(b, engine)
        engine.deaths["b"] = 2
        asked = [request(name) for name in "abc"]
        b.submit(*asked)
        await b.until(lambda: b.scheduler.stats().waiting_finals == 3)
        engine.gate.set()
        outcomes = await b.collect(4)
        assert isinstance(outcomes[held], DecodeResult)
        assert codes({each: outcomes[each] for each in asked}) == [
            "DecodeResult",
            "decode_thread_died",
            "DecodeResult",
        ]
        assert engine.sizes == [1, 3, 1, 1, 1]


async def hold(b: Bench, engine: LosingEngine) -> DecodeRequest:
    """Close the gate with one decode behind it."""
    engine.gate.clear()
    held = request("holder")
    b.submit(held)
    await b.until(lambda: engine.sizes == [1])
    return held


async def test_what_nobody_wants_any_more_is_not_decoded_again() -> None:
    async with bench() as b:
        engine = losing(b)
        await hold(b, engine)
        first, unwanted = request("a"), request("b")
        b.submit(first, unwanted)
        await b.until(lambda: b.scheduler.stats().waiting_finals == 2)
        engine.deaths["a"] = 1
        engine.close_gate_at_death = True
        engine.gate.set()
        await b.until(lambda: len(engine.sizes) == 3)  # the first of both, alone
        b.scheduler.retire("b", 0, 1, None)
        engine.gate.set()
        outcomes = await b.collect(3)
        assert isinstance(outcomes[first], DecodeResult)
        assert isinstance(outcomes[unwanted], DecodeDropped)
        assert engine.sizes == [1, 2, 1]


async def test_a_thread_that_dies_before_its_decode_is_replaced() -> None:
    async with bench() as b:
        b.submit(request("a"))
        await b.collect(1)
        kill_threads("decode-m")
        b.submit(request("a", utterance_id=2))
        assert codes(await b.collect(1)) == ["DecodeResult"]
        assert b.scheduler.stats().threads_lost["decode_thread_died"] == 1


def kill_threads(name: str) -> None:
    """Have the next instruction of these threads raise SystemExit."""
    for thread in threading.enumerate():
        if thread.name == name and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )


async def test_what_hangs_is_decoded_by_another_thread() -> None:
    async with bench(decode_timeout_s=0.05) as b:
        engine = losing(b)
        engine.hangs["a"] = 1
        b.submit(request("a"))
        assert codes(await b.collect(1)) == ["DecodeResult"]
        health = b.scheduler.health("m")
        assert health is not None
        assert (health.workers, health.abandoned) == (1, 1)
        assert b.scheduler.stats().threads_lost["decode_timeout"] == 1
        engine.release.set()
        await b.until(lambda: abandoned(b) == 0)
        b.submit(request("a", utterance_id=2))
        assert codes(await b.collect(1)) == ["DecodeResult"]


def abandoned(b: Bench) -> int:
    health = b.scheduler.health("m")
    assert health is not None
    return health.abandoned


async def test_what_hangs_twice_fails() -> None:
    async with bench(decode_timeout_s=0.05) as b:
        engine = losing(b)
        engine.hangs["a"] = 2
        b.submit(request("a"))
        assert codes(await b.collect(1)) == ["decode_timeout"]
        b.submit(request("b"))
        assert codes(await b.collect(1)) == ["DecodeResult"]
        engine.release.set()


async def test_with_too_many_hanging_threads_all_that_waits_and_comes_fails() -> None:
    async with bench(decode_timeout_s=0.05) as b:
        await b.hold_worker()
        waits = request("a")
        b.submit(waits)
        assert codes(await b.collect(2)) == ["decode_timeout"] * 2
        health = b.scheduler.health("m")
        assert health is not None
        assert health.stuck
        assert health.abandoned == ABANDONED_PER_WORKER + 1
        b.submit(request("b"))
        assert codes(await b.collect(1)) == ["decode_timeout"]
        b.gate.set()
        outcome: DecodeOutcome | None = None
        while not isinstance(outcome, DecodeResult):  # served again once a call has returned
            b.submit(request("c"))
            outcome = await b.outcomes.get()


async def test_another_engine_takes_over_where_every_thread_hangs() -> None:
    async with bench(decode_timeout_s=0.02) as b:
        await b.hold_worker()
        await b.collect(1)
        for utterance in (2, 3):
            b.submit(request("a", utterance_id=utterance))
            await b.collect(1)
        health = b.scheduler.health("m")
        assert health is not None
        assert health.stuck
        free_of_old = b.scheduler.exchange("m", ScriptedEngine("m"))
        assert free_of_old is not None
        b.submit(request("a", utterance_id=4))
        assert codes(await b.collect(1)) == ["DecodeResult"]
        assert not free_of_old.done()
        b.gate.set()
        await free_of_old


async def test_an_engine_that_is_lost_is_known_until_another_takes_over() -> None:
    class Lost(ScriptedEngine):
        def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
            raise EngineError("engine_lost", "gone")

    async with bench() as b:
        b.scheduler.exchange("m", Lost("m"))
        b.submit(request("a"))
        assert codes(await b.collect(1)) == ["engine_lost"]
        health = b.scheduler.health("m")
        assert health is not None
        assert health.engine_lost
        b.scheduler.exchange("m", b.engine)
        health = b.scheduler.health("m")
        assert health is not None
        assert not health.engine_lost


async def test_a_model_that_is_not_attached_has_no_health_and_takes_no_engine() -> None:
    async with bench() as b:
        assert b.scheduler.health("unknown") is None
        assert b.scheduler.exchange("unknown", b.engine) is None


async def test_close_with_threads_that_hang_gives_every_request_its_outcome() -> None:
    received: Counter[DecodeRequest] = Counter()
    async with bench(workers=2, decode_timeout_s=0.02) as b:
        engine = losing(b, workers=2)
        engine.hangs.update({"a": 9, "b": 9})
        asked = [request(name, utterance_id=number) for number in (1, 2) for name in "abcd"]
        scheduler: Scheduler = b.scheduler
        for each in asked:
            scheduler.submit(each, lambda outcome: received.update([outcome.request]))
        await b.until(lambda: abandoned(b) > 0)
        await scheduler.close(grace_s=0.01)
        assert received == Counter(asked)
        engine.release.set()
