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
    while (data := kept.take_block()) is not None:
        numbers.append(data[0])
        kept.sent(now_s)
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
    assert kept.take_block() is None
    assert (kept.sent_ms, kept.unsent_ms) == (3_000, 0)


def test_a_new_stream_begins_behind_the_last_final() -> None:
    kept = keeping(5)
    send_all(kept)
    kept.utterance_done(1, 2_500)
    kept.disconnected()
    kept.heard(block(5))
    kept.connected()
    assert kept.source_ms(0) == 2_500
    data = kept.take_block()
    assert data == block(2)[SECOND // 2 :]
    assert send_all(kept) == [3, 4, 5]
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
    first = kept.take_block()
    assert first is not None
    kept.sent(0.0)
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
    assert kept.source_ms(0) == 3_000
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
    assert send_all(kept) == list(range(20, 30))  # what it may not have looked at


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
        data = kept.take_block()
        assert data is not None
        kept.sent(now_s)
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


def test_failed_tries_do_not_count_the_same_loss_again() -> None:
    kept = keeping(2, limit_s=4)
    send_all(kept)
    for number in range(2, 8):
        kept.disconnected()
        kept.heard(block(number))
    kept.disconnected()
    assert kept.take_lost_s() == 4


def test_silence_that_the_server_heard_is_neither_sent_again_nor_lost() -> None:
    kept = KeptAudio(FORMAT)
    kept.connected()
    for number in range(100):
        kept.heard(block(number))
        send_all(kept)
    kept.disconnected()
    for number in range(100, 120):
        kept.heard(block(number))
    kept.disconnected()
    kept.connected()
    assert send_all(kept) == list(range(90, 120))
    assert kept.take_lost_s() == 0


def test_what_is_on_its_way_while_the_oldest_is_dropped_is_not_counted_as_lost() -> None:
    kept = keeping(1, limit_s=4)
    assert kept.take_block() == block(0)
    for number in range(1, 7):
        kept.heard(block(number))  # 0, 1 and 2 are dropped
    kept.sent(0.0)
    assert kept.take_lost_s() == 2
    assert send_all(kept) == [3, 4, 5, 6]


def test_the_server_may_speak_of_what_is_still_being_sent() -> None:
    kept = keeping(1, limit_s=4)
    send_all(kept)
    for number in range(1, 7):
        kept.heard(block(number))
    assert kept.take_block() == block(3)
    assert kept.source_ms(1_500) == 3_500


def test_a_gap_that_was_told_is_not_told_again_when_the_stream_is_lost() -> None:
    kept = keeping(2, limit_s=4)
    send_all(kept)
    for number in range(2, 9):
        kept.heard(block(number))
    assert kept.take_lost_s() == 3
    send_all(kept)
    for number in range(9, 11):
        kept.heard(block(number))  # drops 5 and 6, which were sent
    kept.disconnected()
    assert kept.take_lost_s() == 4  # 0, 1, 5 and 6: no final covers them


def test_a_small_loss_waits_for_more_if_it_is_to() -> None:
    kept = keeping(7, limit_s=4)
    assert kept.take_lost_s(at_least_s=5) == 0
    assert kept.take_lost_s(at_least_s=3) == 3


def test_a_source_that_can_wait_does_so_for_owed_finals_but_not_for_silence() -> None:
    kept = KeptAudio(FORMAT, limit_s=20)
    kept.connected()
    for number in range(30):
        assert kept.has_room(2_000)
        kept.heard(block(number))
        send_all(kept)
    kept.utterance_started(1, 29_000)
    kept.utterance_ended(1, 30_000)
    while kept.has_room(2_000):
        kept.heard(block(0))
        send_all(kept)
    assert kept.needed_ms == 19_500
    kept.answer_no_more()
    assert kept.has_room(2_000)
