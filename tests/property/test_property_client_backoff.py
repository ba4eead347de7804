"""Whatever the outage: tries are spread, bounded, and come to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from client.backoff import FIRST_DELAY_S, GIVE_UP_AFTER_S, MAX_DELAY_S, STABLE_S, Backoff

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(CHANCES, st.floats(0, 20))
def test_a_server_that_is_gone_is_tried_within_bounds_until_the_time_is_up(
    chances: list[float], connecting_s: float
) -> None:
    numbers = iter(chances * 1_000)
    backoff = Backoff(enabled=True, jitter=lambda: next(numbers))
    backoff.connected(0.0)
    now_s = lost_s = 50.0
    while (delay_s := backoff.failed(now_s)) is not None:
        assert FIRST_DELAY_S <= delay_s <= MAX_DELAY_S
        now_s += delay_s + connecting_s
    assert GIVE_UP_AFTER_S <= now_s - lost_s <= GIVE_UP_AFTER_S + MAX_DELAY_S + connecting_s


@given(CHANCES, st.lists(st.floats(0, STABLE_S - 0.1), max_size=40))
def test_connections_that_do_not_hold_are_one_outage(
    chances: list[float], held_s: list[float]
) -> None:
    numbers = iter(chances * 1_000)
    backoff = Backoff(enabled=True, jitter=lambda: next(numbers))
    backoff.connected(0.0)
    now_s = lost_s = 50.0
    for held in held_s:
        delay_s = backoff.failed(now_s)
        assert (delay_s is None) == (now_s - lost_s >= GIVE_UP_AFTER_S)
        if delay_s is None:
            return
        now_s += delay_s
        backoff.connected(now_s)
        now_s += held
