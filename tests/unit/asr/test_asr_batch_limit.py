from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.batch_limit import GOOD_BATCHES, BatchLimit


def after_good(limit: BatchLimit, count: int, size: int) -> BatchLimit:
    for _ in range(count):
        limit = limit.went_well(size)
    return limit


def test_half_of_what_failed_is_the_most() -> None:
    limit = BatchLimit.unlimited(8)
    assert limit.now == 8
    assert limit.failed(8).now == 4
    assert limit.failed(5).now == 2
    assert limit.failed(1).now == 1


def test_a_late_failure_of_a_large_batch_does_not_raise_the_limit() -> None:
    assert BatchLimit.unlimited(8).failed(4).failed(8).now == 2


def test_after_enough_good_batches_twice_as_many_are_tried() -> None:
    limit = BatchLimit.unlimited(8).failed(8)
    assert after_good(limit, GOOD_BATCHES - 1, 4).now == 4
    assert after_good(limit, GOOD_BATCHES, 4).now == 8


def test_batches_smaller_than_the_limit_say_nothing() -> None:
    limit = BatchLimit.unlimited(8).failed(8)
    assert after_good(limit, 2 * GOOD_BATCHES, 3).now == 4


def test_a_failure_begins_the_count_anew() -> None:
    limit = after_good(BatchLimit.unlimited(8).failed(8), GOOD_BATCHES - 1, 4).failed(4)
    assert after_good(limit, GOOD_BATCHES - 1, 2).now == 2


@given(st.integers(1, 64), st.lists(st.tuples(st.booleans(), st.integers(1, 64))))
def test_the_limit_stays_between_one_and_what_was_set(
    most: int, events: list[tuple[bool, int]]
) -> None:
    limit = BatchLimit.unlimited(most)
    for good, size in events:
        limit = limit.went_well(size) if good else limit.failed(size)
        assert 1 <= limit.now <= most
