"""The steps of a server's end, and the time they have."""

from __future__ import annotations

import pytest

from server.draining import (
    CLOSING_S,
    ENGINE_S,
    FLUSH_S,
    HANDSHAKE_S,
    SAME_STOP_S,
    Draining,
    DrainState,
    StopCause,
    StopOrder,
)
from server.settings import Settings

NOW_S = 100.0


def asked(cause: StopCause = StopCause.SUPERVISOR) -> Draining:
    draining = Draining(6.0)
    assert draining.stop(cause, NOW_S) is StopOrder.DRAIN
    return draining


def test_a_server_serves_until_it_is_asked_to_end() -> None:
    draining = Draining(6.0)
    draining.drained()
    draining.late()
    assert draining.state is DrainState.SERVING


@pytest.mark.parametrize("step", [Draining.drained, Draining.late])
def test_it_drains_then_closes_then_is_closed(step: object) -> None:
    assert callable(step)
    draining = asked()
    states = [draining.state]
    step(draining)
    states.append(draining.state)
    draining.closed()
    states.append(draining.state)
    assert states == [DrainState.DRAINING, DrainState.CLOSING, DrainState.CLOSED]


def test_a_server_that_never_served_is_closed_at_once() -> None:
    draining = asked()
    draining.closed()
    assert draining.state is DrainState.CLOSED


def test_what_is_left_counts_from_the_first_request() -> None:
    draining = asked()
    assert draining.left_s(NOW_S + 2.0) == 4.0
    assert draining.left_s(NOW_S + 7.0) == 0.0
    draining.late()
    assert draining.left_s(NOW_S + 7.0) == 3.0


def test_a_request_that_is_passed_on_twice_is_one() -> None:
    draining = asked()
    assert draining.stop(StopCause.PERSON, NOW_S + SAME_STOP_S) is StopOrder.NOTHING
    assert draining.cause is StopCause.SUPERVISOR


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_second_request_ends_it_at_once_in_every_state(steps: int) -> None:
    draining = asked()
    for step in (draining.drained, draining.closed)[:steps]:
        step()
    later_s = NOW_S + SAME_STOP_S + 0.01
    assert draining.stop(StopCause.SUPERVISOR, later_s) is StopOrder.END_AT_ONCE


def test_close_codes_say_whether_it_comes_back() -> None:
    assert asked(StopCause.SUPERVISOR).cause.close_code == 1012
    assert asked(StopCause.PERSON).cause.close_code == 1001


def test_by_default_the_process_ends_in_ten_seconds() -> None:
    assert Draining(Settings().drain_s).longest_s <= 10.0
    assert FLUSH_S + ENGINE_S + 2 * HANDSHAKE_S < CLOSING_S
