"""Room by measured capacity: late finals, demand, and the steps they lead to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.capacity import (
    CALM_S,
    FULL,
    RECENT_S,
    SPEECH_SHARE,
    Demand,
    FinalWaits,
    Overload,
    Signs,
    Step,
)

QUIET = Signs(load=0.1, late_s=0.0, waiting_share=0.0, demand=0.1)
LIMIT_S = 4.0


def signs(
    load: float = 0.1, late_s: float = 0.0, waiting_share: float = 0.0, demand: float = 0.1
) -> Signs:
    return Signs(load, late_s, waiting_share, demand)


@pytest.mark.parametrize("bad", [signs(late_s=4.1), signs(waiting_share=0.71), signs(demand=0.81)])
def test_each_sign_of_overload_closes_the_door_at_once(bad: Signs) -> None:
    steps: list[Step] = []
    overload = Overload(LIMIT_S, steps.append)
    assert overload.look(QUIET, 0.0) is Step.ADMITTING
    assert overload.look(bad, 0.1) is Step.REFUSING
    assert steps == [Step.REFUSING]


def test_the_door_opens_after_a_while_of_calm() -> None:
    steps: list[Step] = []
    overload = Overload(LIMIT_S, steps.append)
    overload.look(signs(late_s=9.0), 0.0)
    assert overload.look(signs(late_s=3.0), 1.0) is Step.REFUSING  # better, but not well
    assert overload.look(QUIET, 2.0) is Step.REFUSING
    assert overload.look(signs(late_s=2.5), 6.0) is Step.REFUSING  # the calm begins anew
    assert overload.look(QUIET, 7.0) is Step.REFUSING
    assert overload.look(QUIET, 7.0 + CALM_S) is Step.ADMITTING
    assert steps == [Step.REFUSING, Step.ADMITTING]


def test_busy_workers_stretch_partials_and_let_everybody_in() -> None:
    overload = Overload(LIMIT_S, lambda _: None)
    assert overload.look(signs(load=0.95), 0.0) is Step.STRETCHED
    assert overload.look(signs(load=0.8), 1.0) is Step.STRETCHED
    assert overload.look(signs(load=0.7), 2.0) is Step.ADMITTING


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1), st.floats(0, 10), st.floats(0, 1), st.floats(0, 2), st.floats(0.1, 9)
        ),
        max_size=60,
    )
)
def test_the_door_never_flaps(looks: list[tuple[float, float, float, float, float]]) -> None:
    """It is shut whenever a sign is bad, and never opens within the calm after one."""
    overload = Overload(LIMIT_S, lambda _: None)
    now_s, bad_s = 0.0, -100.0
    for load, late_s, waiting, demand, gap_s in looks:
        now_s += gap_s
        bad = late_s > LIMIT_S or waiting > 0.7 or demand > FULL
        step = overload.look(Signs(load, late_s, waiting, demand), now_s)
        if bad:
            bad_s = now_s
            assert step is Step.REFUSING
        elif step is not Step.REFUSING:
            assert now_s - bad_s >= CALM_S


def test_a_final_that_waits_for_a_worker_is_late() -> None:
    waits = FinalWaits()
    waits.asked("a", 1, 0.0)
    assert waits.late_s(3.0) == 3.0
    waits.answered("a", 1, decode_s=0.5, now_s=3.5)
    for request in (2, 3):
        waits.asked("a", request, 4.0)
        waits.answered("a", request, decode_s=0.5, now_s=4.5)
    assert waits.late_s(4.5) == 0.0  # the median of 3, 0, 0
    assert waits.late_s(100.0) == 0.0


def test_a_files_finals_that_wait_for_each_other_are_not_late() -> None:
    """Four at once, one worker: each is decoded as soon as the one before it is done."""
    waits = FinalWaits()
    for request in range(4):
        waits.asked("file", request, 0.0)
    for request in range(4):
        assert waits.late_s(2.0 * request + 1.9) <= 2.0
        waits.answered("file", request, decode_s=2.0, now_s=2.0 * (request + 1))
    assert waits.late_s(8.0) == 0.0


def test_many_streams_that_wait_for_each_other_are_late() -> None:
    waits = FinalWaits()
    for stream in range(10):
        waits.asked(str(stream), 1, 0.0)
    for stream in range(10):
        waits.answered(str(stream), 1, decode_s=1.0, now_s=stream + 1.0)
    assert waits.late_s(10.0) == 4.5


def test_what_is_dropped_or_forgotten_is_not_late() -> None:
    waits = FinalWaits()
    waits.asked("a", 1, 0.0)
    waits.dropped("a", 1)
    waits.asked("b", 1, 0.0)
    waits.forget("b")
    waits.answered("b", 1, decode_s=1.0, now_s=50.0)
    waits.dropped("c", 1)
    assert waits.late_s(60.0) == 0.0


def demand_of(speakers: int, now_s: float = 0.0) -> Demand:
    demand = Demand()
    for number in range(speakers):
        demand.admitted(str(number), now_s)
        assert demand.began(str(number), now_s)
    return demand


def test_newcomers_count_before_they_speak() -> None:
    demand = Demand()
    for number in range(4):
        demand.admitted(number, 0.0)
    assert demand.share(0.1, workers=1, now_s=0.0) == pytest.approx(0.1 * SPEECH_SHARE * 5)
    assert demand.share(0.1, workers=2, now_s=0.0) == pytest.approx(0.05 * SPEECH_SHARE * 5)
    assert not demand.anybody(RECENT_S)  # nobody began: they only listen


def test_who_left_before_it_spoke_is_not_expected() -> None:
    demand = Demand()
    for number in range(8):
        demand.admitted(number, 0.0)
        demand.left(number)
    assert not demand.anybody(0.0)
    assert demand.share(9.0, workers=1, now_s=0.0) == 0.0


def test_who_begins_is_expected_no_more_and_others_still_are() -> None:
    demand = Demand()
    for visitor, speaker in ((1, "a1"), (2, "a2")):
        demand.admitted(visitor, 0.0)
        demand.named(visitor, speaker)
    demand.named(3, "a3")  # let in long ago
    assert not demand.began("a3", 1.0)
    assert demand.began("a1", 1.0)
    demand.left("a1")
    assert demand.share(0.1, workers=1, now_s=1.0) == pytest.approx(0.1 * SPEECH_SHARE * 4)
    demand.left("a2")
    assert demand.share(0.1, workers=1, now_s=1.0) == pytest.approx(0.1 * SPEECH_SHARE * 3)


def test_two_are_let_in_whatever_is_foretold() -> None:
    assert demand_of(1).share(9.0, workers=1, now_s=0.0) == 0.0
    assert demand_of(2).share(9.0, workers=1, now_s=0.0) > FULL


def test_a_speaker_counts_by_what_it_says_and_as_one_at_most() -> None:
    demand = demand_of(3)
    for second in range(1, 31):
        demand.decoded("0", 10.0, 1.0, float(second))  # a file, ten times as fast as speech
        demand.decoded("1", 0.5, 0.05, float(second))
    # what was measured: 0.1 of a worker; one whole, one half, one silent, and one to come
    expected = 0.1 * (1.0 + 0.5 + 0.0 + SPEECH_SHARE)
    assert demand.share(99.0, workers=1, now_s=30.0) == pytest.approx(expected, abs=0.01)
    demand.forget_costs()
    assert demand.share(0.2, workers=1, now_s=30.0) == pytest.approx(2 * expected, abs=0.02)


def test_who_left_counts_no_more() -> None:
    demand = demand_of(2)
    for name in ("0", "1"):
        demand.gone(name)
    demand.gone("nobody")
    demand.decoded("0", 5.0, 1.0, 1.0)
    assert not demand.anybody(1.0)


def test_who_begins_long_after_it_came_was_not_counted() -> None:
    demand = Demand()
    demand.admitted("a", 0.0)
    assert not demand.began("a", RECENT_S)
    assert demand.anybody(1e9)
