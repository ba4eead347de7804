"""Rates and remaining times of what is on its way."""

from __future__ import annotations

from asr.transfer import RATE_WINDOW_S, Transfer, TransferMeter


def test_nothing_is_known_of_the_rate_at_first() -> None:
    assert TransferMeter(100, 1000, 0.0).at(100, 0.0) == Transfer(100, 1000)


def test_the_rate_counts_what_comes_and_not_what_an_earlier_try_brought() -> None:
    assert TransferMeter(500, 1000, 0.0).at(600, 1.0) == Transfer(600, 1000, 100.0, 4.0)


def test_the_rate_is_of_the_last_seconds() -> None:
    meter = TransferMeter(0, 10_000, 0.0)
    for second in range(1, 11):
        meter.at(100 * second, second)
    slow = meter.at(1_000, 10.0 + RATE_WINDOW_S)
    assert slow.bytes_per_s == 0
    assert slow.left_s is None, "a stalled line has no end"


def test_a_file_begun_again_has_no_negative_rate() -> None:
    meter = TransferMeter(800, 1000, 0.0)
    assert meter.at(0, 1.0).bytes_per_s == 0


def test_without_a_total_there_is_no_rest() -> None:
    assert TransferMeter(0, None, 0.0).at(10, 1.0) == Transfer(10, None, 10.0, None)
