"""The scheduler: batches, failures, retirements and their outcomes, in real threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from asr.engine import Prepared
from asr.scripted_engine import ScriptedEngine
from asr.types import (
    DecodeDropped,
    DecodeFailed,
    DecodeOutcome,
    DecodeRequest,
    DecodeResult,
    Hypothesis,
)
from audio.types import SAMPLE_RATE_HZ
from tests.support.scheduler_bench import FINAL, PARTIAL, bench, codes, request

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


async def test_a_request_becomes_a_result_with_its_times() -> None:
    async with bench() as b:
        b.clock.now_s = 5.0
        b.decode_takes_s = 0.5
        asked = request(created_s=4.75)
        b.submit(asked)
        result = await b.outcomes.get()
        assert isinstance(result, DecodeResult)
        assert result.request is asked
        assert result.hypothesis.text
        assert (result.queue_s, result.decode_s, result.batch_size) == (0.25, 0.5, 1)
        stats = b.scheduler.stats()
        assert (stats.batches, stats.items, stats.busy_s, stats.last_decode_s) == (1, 1, 0.5, 0.5)


async def test_what_gathers_behind_a_busy_worker_is_one_batch() -> None:
    async with bench() as b:
        held = await b.hold_worker()
        asked = [request(name, PARTIAL) for name in "abc"]
        b.submit(*asked)
        await b.until(lambda: b.scheduler.stats().waiting_partials == 3)
        b.gate.set()
        outcomes = await b.collect(4)
        assert [len(batch) for batch in b.engine.batches] == [1, 3]
        result = outcomes[asked[0]]
        assert isinstance(result, DecodeResult)
        assert result.batch_size == 3
        assert held in outcomes


async def test_stats_count_what_waits() -> None:
    async with bench() as b:
        await b.hold_worker()
        b.submit(request("a"), request("b"), request("c", PARTIAL))
        await b.until(lambda: b.scheduler.stats().waiting_partials == 1)
        stats = b.scheduler.stats()
        assert (stats.waiting_finals, stats.waiting_audio_s) == (2, 2.0)
        b.gate.set()
        await b.collect(4)


async def test_stats_say_how_busy_the_workers_are() -> None:
    async with bench(workers=2) as b:
        b.clock.now_s = 100.0
        await b.hold_worker()
        b.clock.now_s = 105.0
        assert b.scheduler.stats().load == 0.25
        b.gate.set()
        await b.collect(1)
        b.clock.now_s = 108.0
        assert b.scheduler.stats().load == 0.25
        b.clock.now_s = 115.0
        assert b.scheduler.stats().load == 0.0


async def test_several_workers_run_at_once() -> None:
    async with bench(workers=2) as b:
        await b.hold_worker("a")
        b.submit(request("b"))
        await b.started.get()  # began while the first is still held
        b.gate.set()
        await b.collect(2)


async def test_the_last_free_worker_is_kept_for_finals() -> None:
    async with bench(workers=2) as b:
        await b.hold_worker("a")
        b.submit(request("b", PARTIAL))
        await b.until(lambda: b.scheduler.stats().waiting_partials == 1)
        b.submit(request("c"))
        [started] = await b.started.get()
        assert started.request.stream_id == "c"
        assert b.scheduler.stats().waiting_partials == 1
        b.gate.set()
        await b.collect(3)


async def test_a_starving_partial_gets_the_last_worker_without_being_asked_for_again() -> None:
    async with bench(workers=2) as b:
        await b.hold_worker("a")
        b.submit(request("b", PARTIAL))
        await b.until(lambda: b.scheduler.stats().waiting_partials == 1)
        b.clock.now_s += 1.0
        [started] = await b.started.get()
        assert started.request.stream_id == "b"
        b.gate.set()
        await b.collect(2)


async def test_a_failing_item_fails_alone() -> None:
    async with bench() as b:
        await b.hold_worker()
        good, bad, fine = request("a"), request("bad"), request("b")
        b.submit(good, bad, fine)
        await b.until(lambda: b.scheduler.stats().waiting_finals == 3)
        b.gate.set()
        outcomes = await b.collect(4)
        assert isinstance(outcomes[good], DecodeResult)
        assert isinstance(outcomes[fine], DecodeResult)
        failed = outcomes[bad]
        assert isinstance(failed, DecodeFailed)
        assert failed.code == "scripted_failure"
        assert [len(batch) for batch in b.engine.batches] == [1, 3, 1, 1, 1]
        assert b.scheduler.stats().failed == 1


async def test_an_item_that_fails_alone_is_not_tried_again() -> None:
    async with bench() as b:
        b.submit(request("bad"))
        assert codes(await b.collect(1)) == ["scripted_failure"]
        assert len(b.engine.batches) == 1


async def test_an_error_in_prepare_is_a_failure() -> None:
    async with bench() as b:
        b.engine.close()
        b.submit(request())
        assert codes(await b.collect(1)) == ["engine_closed"]


class BrokenEngine(ScriptedEngine):
    """Raises what the contract does not allow, or loses a result."""

    def prepare(self, request: DecodeRequest) -> Prepared:
        if request.stream_id == "prepare":
            raise ZeroDivisionError
        return super().prepare(request)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        if batch[0].request.stream_id == "decode":
            raise ZeroDivisionError
        return []


@pytest.mark.parametrize(
    ("stream_id", "code"),
    [("prepare", "internal_error"), ("decode", "internal_error"), ("lost", "bad_result")],
)
async def test_an_engine_that_breaks_its_contract_fails_visibly(stream_id: str, code: str) -> None:
    async with bench() as b:
        b.scheduler.attach("broken", BrokenEngine("broken"))
        b.submit(request(stream_id, model_id="broken"))
        assert codes(await b.collect(1)) == [code]


async def test_an_unknown_model_is_refused_but_not_within_submit() -> None:
    async with bench() as b:
        b.submit(request(model_id="unknown"))
        assert b.outcomes.empty()
        assert codes(await b.collect(1)) == ["model_not_loaded"]


async def test_a_model_is_attached_once() -> None:
    async with bench() as b:
        with pytest.raises(ValueError, match="already"):
            b.scheduler.attach("m", b.engine)


async def test_a_request_is_submitted_once() -> None:
    async with bench() as b:
        asked = request()
        b.submit(asked)
        with pytest.raises(ValueError, match="already"):
            b.submit(asked)
        await b.collect(1)


async def test_retire_drops_what_waits_and_lets_run_what_runs() -> None:
    async with bench() as b:
        held = await b.hold_worker()
        waits = request("a")
        b.submit(waits)
        await b.until(lambda: b.scheduler.stats().waiting_finals == 1)
        b.scheduler.retire("a", 0, 1, FINAL)
        b.scheduler.retire("holder", 0, 1, FINAL)
        assert b.outcomes.empty()  # not within the call
        dropped = (await b.collect(1))[waits]
        assert isinstance(dropped, DecodeDropped)
        assert dropped.reason == "retired"
        b.gate.set()
        assert isinstance((await b.collect(1))[held], DecodeResult)
        assert b.scheduler.stats().dropped == {"retired": 1}


async def test_retire_drops_what_is_being_prepared() -> None:
    async with bench() as b:
        hold_dsp = threading.Event()
        b.dsp.submit(hold_dsp.wait)
        retired, kept = request("a"), request("a", utterance_id=2)
        b.submit(retired, kept)
        await asyncio.sleep(0)
        b.scheduler.retire("a", 0, 1, None)
        assert codes(await b.collect(1)) == ["DecodeDropped"]
        hold_dsp.set()
        assert kept in await b.collect(1)
        assert b.engine.batches == [(kept,)]


async def test_a_superseded_partial_is_told_and_counted() -> None:
    async with bench() as b:
        await b.hold_worker()
        old, new = request("a", PARTIAL), request("a", PARTIAL, revision=2)
        b.submit(old, new)
        outcome = (await b.collect(1))[old]
        assert isinstance(outcome, DecodeDropped)
        assert b.scheduler.stats().dropped == {"superseded": 1}
        b.gate.set()
        await b.collect(2)


async def test_a_final_without_room_is_a_failure() -> None:
    async with bench() as b:
        await b.hold_worker()
        long = np.zeros(30 * SAMPLE_RATE_HZ, np.float32)
        b.submit(*(request("a", audio=long, utterance_id=n) for n in range(21)))
        assert codes(await b.collect(1)) == ["overloaded"]
        b.gate.set()
        await b.collect(21)


async def test_a_receiver_that_raises_costs_the_others_nothing() -> None:
    async with bench() as b:
        await b.hold_worker()

        def broken(outcome: DecodeOutcome) -> None:
            raise ZeroDivisionError

        b.scheduler.submit(request("a"), broken)
        b.submit(request("b"))
        await b.until(lambda: b.scheduler.stats().waiting_finals == 2)
        b.gate.set()
        await b.collect(2)


async def test_a_receiver_may_submit_and_retire() -> None:
    async with bench() as b:

        def again(outcome: DecodeOutcome) -> None:
            b.submit(request("a", utterance_id=2))
            b.scheduler.retire("a", 0, 2, None)

        b.scheduler.submit(request("a"), again)
        assert codes(await b.collect(1)) == ["DecodeDropped"]


async def test_a_batch_costs_one_call_into_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench() as b:
        b.gate.clear()
        calls: list[object] = []
        plain = b.loop.call_soon_threadsafe

        def counted(callback: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
            calls.append(callback)
            return plain(callback, *args, **kwargs)

        b.submit(request("holder"))
        await b.started.get()
        b.submit(*(request(name) for name in "abc"))
        await b.until(lambda: b.scheduler.stats().waiting_finals == 3)
        monkeypatch.setattr(b.loop, "call_soon_threadsafe", counted)
        b.gate.set()
        await b.collect(4)
        assert len(calls) == 3  # the held batch's result, and the other's start (bench) and result
