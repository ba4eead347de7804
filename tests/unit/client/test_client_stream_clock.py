from __future__ import annotations

from client.stream_clock import GAPS_LIMIT, StreamClock


def test_a_stream_counts_on_behind_a_gap() -> None:
    clock = StreamClock()
    clock.begin(100)
    clock.give(100, 10)
    clock.give(110, 10)
    clock.give(150, 10)
    assert clock.size == 30
    assert [clock.source_of(at) for at in (-5, 0, 20, 21, 30)] == [100, 100, 120, 151, 160]
    assert [clock.stream_of(at) for at in (0, 105, 120, 140, 150, 155)] == [0, 5, 20, 20, 20, 25]
    clock.begin(7)
    assert (clock.size, clock.source_of(3)) == (0, 10)


def test_old_gaps_are_forgotten() -> None:
    clock = StreamClock()
    clock.begin(0)
    for number in range(3 * GAPS_LIMIT):
        clock.give(number * 2, 1)
    last = 3 * GAPS_LIMIT
    assert clock.source_of(last) == 2 * last - 1
    assert clock.source_of(last - GAPS_LIMIT + 2) == 2 * (last - GAPS_LIMIT) + 3
