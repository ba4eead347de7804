from __future__ import annotations

import pytest

from client.backoff import (
    FIRST_DELAY_S,
    GIVE_UP_AFTER_S,
    MAX_DELAY_S,
    STABLE_S,
    Backoff,
    Phase,
)


def backoff(jitter: float = 1.0, *, enabled: bool = True) -> Backoff:
    made = Backoff(enabled=enabled, jitter=lambda: jitter)
    made.connected(0.0)
    return made


def test_delays_double_up_to_the_longest() -> None:
    after = backoff(1.0)
    assert [after.failed(1.0) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_jitter_shortens_them_but_never_below_the_first() -> None:
    after = backoff(0.0)
    assert [after.failed(1.0) for _ in range(3)] == [FIRST_DELAY_S] * 3
    assert backoff(0.5).failed(1.0) == pytest.approx(0.75)


def test_it_gives_up_when_an_outage_lasts_too_long() -> None:
    after = backoff()
    assert after.failed(100.0) is not None
    assert (
        after.failed(100.0 + GIVE_UP_AFTER_S - 0.1) == MAX_DELAY_S or after.phase is Phase.WAITING
    )
    assert after.failed(100.0 + GIVE_UP_AFTER_S) is None
    assert after.phase is Phase.OVER


def test_a_connection_that_held_begins_anew_and_one_that_did_not_does_not() -> None:
    after = backoff()
    after.failed(20.0)
    after.connected(21.0)
    assert after.failed(22.0) == 2.0
    after.connected(23.0)
    assert after.failed(23.0 + STABLE_S) == 1.0


def test_flapping_is_one_outage() -> None:
    after = backoff()
    now_s = 1.0
    while after.failed(now_s) is not None:
        after.connected(now_s)
        now_s += STABLE_S / 2
    assert now_s == pytest.approx(1.0 + GIVE_UP_AFTER_S)


def test_the_first_connection_and_a_client_that_shall_not_are_not_tried_again() -> None:
    assert Backoff(enabled=True, jitter=lambda: 1.0).failed(0.0) is None
    assert backoff(enabled=False).failed(1.0) is None


def test_the_end_leaves_one_try_at_once() -> None:
    after = backoff()
    after.ending()
    assert after.failed(1.0) == 0.0
    assert after.failed(1.1) is None


def test_the_end_while_waiting_makes_the_next_try_the_last() -> None:
    after = backoff()
    after.failed(1.0)
    after.ending()
    assert after.phase is Phase.LAST_TRY
    assert after.failed(1.1) is None


def test_a_last_try_that_succeeds_is_not_followed_by_another() -> None:
    after = backoff()
    after.ending()
    after.failed(1.0)
    after.connected(1.1)
    assert after.failed(1.2) is None


def test_the_server_may_ask_for_more_time() -> None:
    asked = backoff()
    asked.connected(0.0)
    first_s = asked.failed(1.0, at_least_s=10.0)
    assert first_s is not None
    assert first_s > 10.0
