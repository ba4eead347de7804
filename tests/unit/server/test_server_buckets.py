"""Token buckets and answers to wrong messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.buckets import AnswerBudget, TokenBucket


def test_a_burst_is_free_and_then_time_is_waited_for() -> None:
    bucket = TokenBucket(rate=10.0, burst=20.0)
    bucket.spend(20, now_s=0.0)
    assert bucket.wait_s(0.0) == 0.0
    bucket.spend(5, now_s=0.0)
    assert bucket.wait_s(0.0) == 0.5
    assert bucket.wait_s(0.5) == 0.0


def test_a_rate_of_0_is_no_limit() -> None:
    bucket = TokenBucket(rate=0.0, burst=0.0)
    bucket.spend(1e12, now_s=0.0)
    assert bucket.wait_s(0.0) == 0.0


def test_a_debt_can_be_forgiven_and_a_credit_stays() -> None:
    bucket = TokenBucket(rate=1.0, burst=2.0)
    bucket.spend(100, now_s=0.0)
    bucket.forgive()
    assert bucket.wait_s(0.0) == 0.0
    bucket.spend(1, now_s=0.0)
    assert bucket.wait_s(0.0) == 1.0


def test_a_clock_that_stands_still_or_jumps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1.0, burst=1.0)
    bucket.spend(11, now_s=100.0)
    assert bucket.wait_s(0.0) == 10.0


@given(
    rate=st.floats(0.5, 1_000),
    burst=st.floats(0, 1_000),
    amounts=st.lists(st.floats(0, 100), min_size=1, max_size=200),
)
def test_who_waits_as_told_never_gets_more_than_rate_and_burst(
    rate: float, burst: float, amounts: list[float]
) -> None:
    bucket = TokenBucket(rate, burst)
    now_s = spent = 0.0
    for amount in amounts:
        now_s += bucket.wait_s(now_s) * (1 + 1e-9) + 1e-9
        assert spent <= burst + rate * (now_s + 2e-6) + 1e-6 * (1 + spent)
        bucket.spend(amount, now_s)
        spent += amount


def test_wrong_messages_beyond_the_rate_are_counted_once() -> None:
    budget = AnswerBudget(rate=2.0, burst=3.0)
    answered = [budget.allows(0.0) for _ in range(10)]
    assert answered.count(True) == 4  # the burst, and one that overdraws
    assert budget.take_omitted() == 6
    assert budget.take_omitted() == 0
    assert budget.allows(1.0)
