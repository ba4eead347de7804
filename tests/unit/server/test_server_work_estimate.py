"""How long accepted audio takes to decode, and who may add to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asr.calibration import DecodeCosts
from asr.engine import EngineInfo
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, DecodeResult
from server.work_estimate import (
    USED_SHARE,
    DecodeSpeed,
    ObservedCost,
    Work,
    admits,
    drain_estimate_s,
    fast_speed,
)
from tests.support.recogniser_rig import hypothesis

INFO = EngineInfo("m", "cpu", "int8", 2, 4)
SPEED = DecodeSpeed(cost=0.1, workers=2)
DRAIN_S = 6.0
MOST_S = USED_SHARE * DRAIN_S * SPEED.workers / SPEED.cost
"""Of audio that there is time for."""


@pytest.mark.parametrize(
    ("costs", "cost"),
    [
        (DecodeCosts(0.5), 0.1),
        (DecodeCosts(0.5, accurate_s=3.0), 0.1),
        (DecodeCosts(0.5, batch_s=1.0), 0.05),
        (DecodeCosts(0.5, batch_s=4.0), 0.1),
    ],
)
def test_speed_is_that_of_the_cheapest_finals(costs: DecodeCosts, cost: float) -> None:
    speed = fast_speed(costs, INFO)
    assert speed is not None
    assert speed.cost == pytest.approx(cost)
    assert speed.workers == 2


def test_what_was_not_measured_limits_nothing() -> None:
    assert fast_speed(None, INFO) is None
    assert admits(1e6, Work(1e6, 9), Work(1e6, 9), None, DRAIN_S)


def test_all_workers_decode_at_once() -> None:
    assert drain_estimate_s(40.0, SPEED) == pytest.approx(2.0)


def test_there_is_room_as_long_as_there_is_time() -> None:
    own = Work(10.0, 1)
    assert admits(1.0, own, Work(MOST_S - 1.5, 5), SPEED, DRAIN_S)
    assert not admits(2.0, own, Work(MOST_S - 1.5, 5), SPEED, DRAIN_S)


def test_who_waits_for_no_final_may_always_go_on() -> None:
    assert admits(1.0, Work(14.0, 0), Work(10 * MOST_S, 9), SPEED, DRAIN_S)


@pytest.mark.parametrize(("finals", "admitted"), [(1, True), (2, False)])
def test_no_worker_is_left_without_work(finals: int, admitted: bool) -> None:
    assert admits(1.0, Work(60.0, 1), Work(10 * MOST_S, finals), SPEED, DRAIN_S) is admitted


def test_work_adds_up() -> None:
    assert Work(1.5, 1) + Work(2.0, 3) == Work(3.5, 4)


def decoded(decode_s: float, audio_s: float = 5.0, **options: object) -> DecodeResult:
    request = DecodeRequest(
        request_id=1,
        stream_id="s",
        epoch=0,
        utterance_id=1,
        revision=1,
        kind=DecodeKind.FINAL,
        audio=np.zeros(round(16_000 * audio_s), np.float32),
        options=replace(DecodeOptions(), **options),  # type: ignore[arg-type]
        model_id="m",
        created_s=0.0,
        deadline_s=0.0,
    )
    return DecodeResult(request, hypothesis("x"), 0.0, decode_s, 2)


def test_a_machine_that_became_busy_is_known_to_be_slower() -> None:
    observed = ObservedCost()
    assert observed.slowed(SPEED) == SPEED
    for _ in range(60):
        observed.note(decoded(5.0))
    assert observed.slowed(SPEED).cost == pytest.approx(0.5, rel=0.01)
    for _ in range(60):
        observed.note(decoded(0.1))
    assert observed.slowed(SPEED) == SPEED


@pytest.mark.parametrize(
    "result",
    [
        decoded(9.0, beam_size=5),
        decoded(9.0, context_margin_ms=None),
        decoded(9.0, audio_s=0.5),
    ],
)
def test_costly_and_very_short_decodes_say_nothing(result: DecodeResult) -> None:
    observed = ObservedCost()
    observed.note(result)
    assert observed.slowed(SPEED) == SPEED
