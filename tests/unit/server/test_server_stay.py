"""When connections are warned and closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.stay import Stay, StayStep


def test_without_limits_nothing_is_ever_due() -> None:
    due = Stay(0, 0, began_s=5.0).due(1e9, 5.0)
    assert (due.step, due.left_s) == (StayStep.WAIT, None)


@pytest.mark.parametrize(("longest_s", "warned_at_s"), [(600.0, 540.0), (10.0, 5.0)])
def test_the_end_is_told_a_minute_before_or_at_half_time(
    longest_s: float, warned_at_s: float
) -> None:
    stay = Stay(0, longest_s, began_s=0.0)
    first = stay.due(0.0, 0.0)
    assert (first.step, first.left_s) == (StayStep.WAIT, warned_at_s)
    warning = stay.due(warned_at_s, 0.0)
    assert (warning.step, warning.left_s) == (StayStep.WARN_END, longest_s - warned_at_s)
    stay.warned_of_end()
    assert stay.due(warned_at_s, 0.0).step is StayStep.WAIT
    assert stay.due(longest_s, longest_s).step is StayStep.END


def test_an_idle_connection_is_warned_and_then_closed() -> None:
    stay = Stay(200.0, 0, began_s=0.0)
    assert stay.due(139.0, 0.0).left_s == 1.0
    warning = stay.due(140.0, 0.0)
    assert (warning.step, warning.left_s) == (StayStep.WARN_IDLE, 60.0)
    stay.warned_of_idleness(140.1)
    assert stay.due(199.0, 140.05).step is StayStep.WAIT  # the warning itself went at 140.05
    assert stay.due(200.2, 140.05).step is StayStep.CLOSE_IDLE


def test_a_message_makes_the_warning_void() -> None:
    stay = Stay(200.0, 0, began_s=0.0)
    stay.warned_of_idleness(140.0)
    assert stay.due(160.0, used_s=150.0).left_s == 130.0
    assert stay.due(290.0, used_s=150.0).step is StayStep.WARN_IDLE


@given(
    idle_s=st.floats(1.0, 1_000),
    longest_s=st.floats(1.0, 1_000),
    gaps=st.lists(st.floats(0.01, 50), max_size=30),
)
def test_every_close_is_told_before_and_comes_in_time(
    idle_s: float, longest_s: float, gaps: list[float]
) -> None:
    """Messages come after these gaps, then none; whoever looks when told misses nothing."""
    stay = Stay(idle_s, longest_s, began_s=0.0)
    uses, at_s = [0.0], 0.0
    for gap in gaps:
        at_s += gap
        uses.append(at_s)
    now_s, warned = 0.0, set[StayStep]()
    for _ in range(2_000):
        used_s = max(use for use in uses if use <= now_s)
        due = stay.due(now_s, used_s)
        match due.step:
            case StayStep.WAIT:
                assert due.left_s is not None
                now_s += due.left_s + 1e-6
            case StayStep.WARN_IDLE:
                warned.add(due.step)
                stay.warned_of_idleness(now_s)
            case StayStep.WARN_END:
                warned.add(due.step)
                stay.warned_of_end()
            case StayStep.CLOSE_IDLE:
                assert StayStep.WARN_IDLE in warned
                assert now_s - used_s >= idle_s - 1e-3
                return
            case StayStep.END:
                assert StayStep.WARN_END in warned
                assert longest_s <= now_s <= longest_s + 1e-3
                return
    raise AssertionError("never over")
