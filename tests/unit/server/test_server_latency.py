from __future__ import annotations

from server.latency import KEPT_FINALS, KEPT_NOTES, FinalLatencies, Receipts


def test_audio_was_received_with_the_message_that_held_its_last_sample() -> None:
    receipts = Receipts()
    for second in range(1, 4):
        receipts.note(16_000 * second, 100.0 + second)
    assert receipts.received_s(1) == 101.0
    assert receipts.received_s(16_000) == 101.0
    assert receipts.received_s(16_001) == 102.0
    assert receipts.received_s(48_000) == 103.0


def test_the_padding_of_a_flush_was_received_with_the_last_audio() -> None:
    receipts = Receipts()
    receipts.note(16_000, 101.0)
    assert receipts.received_s(16_400) == 101.0


def test_small_messages_share_notes_of_50_ms() -> None:
    receipts = Receipts()
    for number in range(1, 1_001):  # 1 ms each, in real time
        receipts.note(16 * number, number / 1_000)
    for number in range(1, 1_001):
        late_s = receipts.received_s(16 * number) - number / 1_000
        assert 0.0 <= late_s <= 0.051


def test_a_stream_that_stands_still_gets_no_later_receipt() -> None:
    receipts = Receipts()
    receipts.note(16_000, 101.0)
    receipts.note(16_000, 109.0)
    assert receipts.received_s(16_400) == 101.0


def test_notes_are_bounded_and_the_oldest_known_stands_for_older_audio() -> None:
    receipts = Receipts()
    for second in range(1, KEPT_NOTES + 101):
        receipts.note(16_000 * second, float(second))
    assert receipts.received_s(1) == 101.0


def test_the_median_is_of_the_latest_finals() -> None:
    latencies = FinalLatencies()
    assert latencies.median_ms() is None
    latencies.add(9.0)
    assert latencies.median_ms() == 9_000
    for number in range(KEPT_FINALS):
        latencies.add(0.5 if number % 2 else 0.7)
    assert latencies.median_ms() == 600
