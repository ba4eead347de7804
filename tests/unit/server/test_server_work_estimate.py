"""How long accepted audio takes to decode, and who may add to it."""

from __future__ import annotations

import pytest

from asr.calibration import DecodeCosts
from asr.engine import EngineInfo
from server.work_estimate import (
    USED_SHARE,
    DecodeSpeed,
    Work,
    admits,
    drain_estimate_s,
    fast_speed,
)

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
