"""Memory that runs out and float16 that overflows, with engines made for it: not run on a GPU."""

from __future__ import annotations

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asr.batch_limit import GOOD_BATCHES
from asr.decode_call import decode_batch
from asr.engine import Engine, EngineError, Prepared, TrialLoad
from asr.resilient_engine import ResilientEngine
from asr.types import Hypothesis
from tests.support.failing_engine import FailingEngine, heard, item, items

ALL_TYPES = frozenset({"float16", "bfloat16", "float32"})


class Reopener:
    """Opens engines by compute type, and keeps count."""

    def __init__(self, **engines: Engine) -> None:
        self.engines = engines
        self.asked: list[str] = []

    def __call__(self, compute_type: str) -> Engine:
        self.asked.append(compute_type)
        if compute_type not in self.engines:
            raise EngineError("out_of_memory", f"no memory for {compute_type}")
        return self.engines[compute_type]


def resilient(engine: FailingEngine, **others: Engine) -> tuple[ResilientEngine, Reopener]:
    reopener = Reopener(**others)
    return ResilientEngine(engine, reopener, ALL_TYPES), reopener


def texts(hypotheses: list[Hypothesis]) -> list[str]:
    return [hypothesis.text for hypothesis in hypotheses]


def overflows(_: Prepared) -> Hypothesis:
    return heard("!!!!!!!!", math.nan)


# -- memory ----------------------------------------------------------------------------------------


def test_a_batch_that_does_not_fit_is_decoded_in_pieces_in_order() -> None:
    inner = FailingEngine(fits=lambda size: size <= 2)
    engine, _ = resilient(inner)
    assert texts(engine.decode(items(8))) == [str(number) for number in range(8)]
    assert inner.sizes == [8, 4, 2, 2, 2, 2]


def test_later_batches_are_cut_at_once_and_it_is_logged_once_per_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = FailingEngine(fits=lambda size: size <= 4)
    engine, _ = resilient(inner)
    engine.decode(items(8))
    inner.sizes.clear()
    for _ in range(3):
        engine.decode(items(8))
    assert inner.sizes == [4] * 6
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "batches of 4 at most" in caplog.text


def test_after_enough_good_batches_a_larger_one_is_tried_again() -> None:
    scarce = True
    inner = FailingEngine(fits=lambda size: size <= 4 or not scarce)
    engine, _ = resilient(inner)
    engine.decode(items(8))
    scarce = False
    for _ in range(GOOD_BATCHES // 2 - 1):  # two pieces each, and two were decoded before
        engine.decode(items(8))
    inner.sizes.clear()
    engine.decode(items(8))
    assert inner.sizes == [8]


def test_one_item_that_does_not_fit_fails_alone() -> None:
    def refuse(prepared: Prepared) -> Hypothesis:
        if prepared.request.request_id == 2:
            raise EngineError("out_of_memory", "too long")
        return heard(str(prepared.request.request_id))

    engine, _ = resilient(FailingEngine(say=refuse))
    answers = decode_batch(engine, items(4), lambda: 0.0).answers
    assert [getattr(answer, "text", None) for answer in answers] == ["0", "1", None, "3"]
    failed = answers[2]
    assert isinstance(failed, EngineError)
    assert failed.code == "out_of_memory"


def test_other_errors_pass_through_undivided() -> None:
    def fail(_: Prepared) -> Hypothesis:
        raise EngineError("decode_failed", "no")

    inner = FailingEngine(say=fail)
    engine, _ = resilient(inner)
    with pytest.raises(EngineError, match="no"):
        engine.decode(items(8))
    assert inner.sizes == [8]


def test_a_trial_that_does_not_fit_is_timed_in_pieces() -> None:
    inner = FailingEngine(fits=lambda size: size <= 4)
    engine, _ = resilient(inner)
    taken = engine.time_decode(TrialLoad(3000, 8, 5, 30))
    assert inner.trials == [TrialLoad(3000, 4, 5, 30)] * 2
    assert (taken.wall_s, taken.cpu_s) == (2.0, 1.0)


# -- broken output ---------------------------------------------------------------------------------


def test_broken_output_is_decoded_again_in_the_next_type(caplog: pytest.LogCaptureFixture) -> None:
    broken = FailingEngine("float16", say=overflows)
    engine, reopener = resilient(broken, bfloat16=FailingEngine("bfloat16"))
    assert texts(engine.decode(items(3))) == ["0", "1", "2"]
    assert reopener.asked == ["bfloat16"]
    assert engine.info.compute_type == "bfloat16"
    assert broken.closed
    assert "broken output in float16; opening it in bfloat16" in caplog.text


def test_the_model_is_opened_once_and_serves_from_then_on() -> None:
    engine, reopener = resilient(
        FailingEngine("float16", say=overflows), bfloat16=FailingEngine("bfloat16")
    )
    for _ in range(3):
        engine.decode(items(2))
    assert reopener.asked == ["bfloat16"]


def test_output_that_stays_broken_is_an_error_that_says_what_to_do() -> None:
    engine, _ = resilient(
        FailingEngine("float16", say=overflows), bfloat16=FailingEngine("bfloat16", say=overflows)
    )
    with pytest.raises(EngineError, match="--compute-type") as caught:
        engine.decode(items(2))
    assert caught.value.code == "degenerate_output"


def test_one_broken_item_does_not_fail_its_batch() -> None:
    def nan_for_two(prepared: Prepared) -> Hypothesis:
        number = prepared.request.request_id
        return heard(str(number), math.nan if number == 2 else -0.3)

    engine, reopener = resilient(FailingEngine("float32", say=nan_for_two))
    answers = decode_batch(engine, items(4), lambda: 0.0).answers
    assert [isinstance(answer, EngineError) for answer in answers] == [False, False, True, False]
    assert reopener.asked == []


def test_where_the_next_type_cannot_be_opened_the_first_serves_on_and_it_is_not_tried_again() -> (
    None
):
    broken_once = FailingEngine("float16", say=overflows)
    again = FailingEngine("float16", say=overflows)
    reopener = Reopener(float16=again)
    engine = ResilientEngine(broken_once, reopener, {"float16", "float32"})
    for _ in range(2):
        with pytest.raises(EngineError) as caught:
            engine.decode(items(1))
        assert caught.value.code == "degenerate_output"
    assert reopener.asked == ["float32", "float16"]
    assert engine.info.compute_type == "float16"


def test_a_model_that_cannot_be_opened_again_at_all_says_so_at_every_call() -> None:
    engine, _ = resilient(FailingEngine("float16", say=overflows))
    codes = []
    for call in (
        lambda: engine.decode(items(1)),
        lambda: engine.decode(items(1)),
        lambda: engine.prepare(item(0).request),
    ):
        with pytest.raises(EngineError) as caught:
            call()
        codes.append(caught.value.code)
    assert codes == ["engine_lost"] * 3
    engine.close()
    with pytest.raises(EngineError) as caught:
        engine.decode(items(1))
    assert caught.value.code == "engine_closed"


def test_several_threads_that_find_it_open_the_model_once_and_close_nothing_in_use() -> None:
    entered, gate = threading.Semaphore(0), threading.Event()
    broken = FailingEngine("float16", say=overflows, entered=entered, gate=gate)
    engine, reopener = resilient(broken, bfloat16=FailingEngine("bfloat16"))
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(engine.decode, [item(number)]) for number in range(4)]
        for _ in running:  # all four are in the broken engine at once
            assert entered.acquire(timeout=10)
        gate.set()
        found = [texts(task.result(10)) for task in running]
    assert found == [["0"], ["1"], ["2"], ["3"]]
    assert reopener.asked == ["bfloat16"]
    assert broken.closed
    assert not broken.closed_during_call


def test_calls_wait_while_the_model_is_opened_anew() -> None:
    opening, go_on = threading.Event(), threading.Event()
    good = FailingEngine("bfloat16")

    def reopen(_: str) -> Engine:
        opening.set()
        assert go_on.wait(10)
        return good

    engine = ResilientEngine(FailingEngine("float16", say=overflows), reopen, ALL_TYPES)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.decode, [item(1)])
        assert opening.wait(10)
        second = pool.submit(engine.decode, [item(2)])
        go_on.set()
        assert texts(first.result(10)) == ["1"]
        assert texts(second.result(10)) == ["2"]
    assert sorted(good.sizes) == [1, 1]


def test_closing_closes_the_engine_within() -> None:
    inner = FailingEngine()
    engine, _ = resilient(inner)
    engine.close()
    engine.close()
    assert inner.closed
    with pytest.raises(EngineError) as caught:
        engine.decode(items(1))
    assert caught.value.code == "engine_closed"
