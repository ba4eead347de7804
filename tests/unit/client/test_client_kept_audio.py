from __future__ import annotations

import pytest

from client.kept_audio import AudioFormat, KeptAudio

FORMAT = AudioFormat(1_000, frame_bytes=2)
"""One frame per ms."""
SECOND = 2_000


def block(number: int) -> bytes:
    """A second that can be told from others."""
    return bytes([number]) * SECOND


def send_all(kept: KeptAudio, now_s: float = 0.0) -> list[int]:
    """The numbers of the seconds that go out, each in one block or the rest of one."""
    numbers = []
    while (data := kept.next_block()) is not None:
        numbers.append(data[0])
        kept.sent(len(data), now_s)
    return numbers


def keeping(seconds: int, limit_s: float = 60.0) -> KeptAudio:
    kept = KeptAudio(FORMAT, limit_s)
    kept.connected()
    for number in range(seconds):
        kept.heard(block(number))
    return kept


def test_bytes_and_ms_are_whole_frames() -> None:
    stereo = AudioFormat(44_100, frame_bytes=4)
    assert stereo.bytes_of(10.0) == 441 * 4
    assert stereo.bytes_of(0.02) == 4
    assert stereo.ms_of(441 * 4) == pytest.approx(10.0)


def test_everything_is_sent_once_in_order() -> None:
    kept = keeping(3)
    assert kept.unsent_ms == 3_000
    assert send_all(kept) == [0, 1, 2]
    assert kept.next_block() is None
    assert (kept.sent_ms, kept.unsent_ms) == (3_000, 0)


def test_a_new_stream_begins_behind_the_last_final() -> None:
    kept = keeping(5)
    send_all(kept)
    kept.utterance_done(1, 2_500)
    kept.disconnected()
    kept.heard(block(5))
    kept.connected()
    assert kept.base_ms == 2_500
    data = kept.next_block()
    assert data == block(2)[SECOND // 2 :]
    assert send_all(kept) == [2, 3, 4, 5]
    assert kept.take_lost_s() == 0


def test_times_of_a_later_stream_count_from_its_beginning() -> None:
    kept = keeping(4)
    send_all(kept)
    kept.utterance_done(1, 1_000)
    kept.disconnected()
    kept.connected()
    send_all(kept)
    kept.utterance_done(1, 2_000)
    assert kept.covered_ms == 3_000


def test_what_was_not_sent_yet_is_kept_too() -> None:
    kept = keeping(2)
    first = kept.next_block()
    assert first is not None
    kept.sent(len(first), 0.0)
    kept.disconnected()
    kept.connected()
    assert send_all(kept) == [0, 1]


def test_an_outage_drops_the_oldest_and_says_how_much() -> None:
    kept = keeping(2, limit_s=4)
    send_all(kept)
    kept.disconnected()
    for number in range(2, 7):
        kept.heard(block(number))
    assert kept.take_lost_s() == 3
    assert kept.take_lost_s() == 0
    kept.connected()
    assert kept.base_ms == 3_000
    assert send_all(kept) == [3, 4, 5, 6]


def test_long_silence_that_was_sent_is_forgotten_without_a_word() -> None:
    kept = KeptAudio(FORMAT, 12)
    kept.connected()
    for number in range(30):
        kept.heard(block(number))
        send_all(kept)
    kept.disconnected()
    assert kept.take_lost_s() == 0
    kept.connected()
    assert send_all(kept) == list(range(20, 30)), "what the server may not have looked at"


def test_an_outage_after_silence_costs_nothing_however_often_it_is_tried() -> None:
    kept = KeptAudio(FORMAT, 12)
    kept.connected()
    for number in range(30):
        kept.heard(block(number))
        send_all(kept)
    for number in range(30, 32):
        kept.disconnected()
        kept.heard(block(number))
    assert kept.take_lost_s() == 0


def test_what_an_outage_drops_is_counted_once_however_often_it_is_tried() -> None:
    kept = keeping(4, limit_s=4)
    send_all(kept)
    for number in range(4, 7):
        kept.disconnected()
        kept.heard(block(number))
    kept.disconnected()
    assert kept.take_lost_s() == 3
    kept.connected()
    assert send_all(kept) == [3, 4, 5, 6]


def test_a_block_that_is_dropped_while_it_is_on_its_way_was_sent() -> None:
    kept = keeping(3, limit_s=3)
    data = kept.next_block()
    assert data == block(0)
    kept.heard(block(3))  # drops the block that is being sent
    kept.sent(len(data), 0.0)
    assert send_all(kept) == [1, 2, 3]
    assert (kept.base_ms, kept.take_lost_s()) == (0, 0)


def test_what_was_sent_last_counts_as_lost_if_it_cannot_be_sent_again() -> None:
    kept = keeping(4, limit_s=4)
    send_all(kept)
    for number in range(4, 7):
        kept.heard(block(number))
    kept.disconnected()
    assert kept.take_lost_s() == 3


def test_an_utterance_that_waited_too_long_for_its_final_is_lost_and_told() -> None:
    kept = KeptAudio(FORMAT, 4)
    kept.connected()
    for number in range(10):
        kept.heard(block(number))
        send_all(kept)
    kept.utterance_started(1, 3_500)
    kept.disconnected()
    assert kept.take_lost_s() == 3  # from 3 s, half a second before it was noticed, to 6 s


def test_silence_before_an_utterance_is_not_sent_again() -> None:
    kept = keeping(9)
    send_all(kept)
    kept.utterance_started(1, 5_500)
    kept.utterance_started(2, 8_000)
    kept.disconnected()
    kept.connected()
    assert send_all(kept) == [5, 6, 7, 8]


def test_an_utterance_that_failed_is_not_sent_again() -> None:
    kept = keeping(5)
    send_all(kept)
    kept.utterance_started(1, 1_000)
    kept.utterance_ended(1, 3_000)
    kept.utterance_done(1, None)
    kept.disconnected()
    kept.connected()
    assert send_all(kept) == [3, 4]


def test_an_utterance_that_nobody_spoke_is_closed_by_a_later_final() -> None:
    kept = keeping(6)
    send_all(kept)
    kept.utterance_started(1, 1_000)
    kept.utterance_started(2, 3_000)
    kept.utterance_done(2, 4_000)
    kept.utterance_started(3, 5_500)
    assert kept.covered_ms == 5_000


def test_latency_is_from_the_sending_of_the_utterance_s_end() -> None:
    kept = keeping(3)
    for now_s in (10.0, 11.0, 12.0):
        data = kept.next_block()
        assert data is not None
        kept.sent(len(data), now_s)
    assert kept.latency_s(1_500, 13.5) == pytest.approx(2.5)
    assert kept.latency_s(99_000, 13.5) == pytest.approx(1.5)
    kept.utterance_done(1, 3_000)
    assert kept.latency_s(2_000, 13.5) is None


def test_times_go_on_behind_what_a_slow_server_never_got() -> None:
    kept = keeping(2, limit_s=4)
    send_all(kept)
    for number in range(2, 9):
        kept.heard(block(number))  # the server takes nothing: 2, 3 and 4 are dropped
    assert kept.take_lost_s() == 3
    assert send_all(kept) == [5, 6, 7, 8]
    kept.utterance_done(1, 3_000)
    assert kept.covered_ms == 6_000
