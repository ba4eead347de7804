"""Finals decoded at pauses: shown as partials while speech may go on."""

from __future__ import annotations

from asr.effects import PartialText
from asr.types import DecodeKind
from tests.support.recogniser_rig import Rig, dropped, result

FINAL, PARTIAL = DecodeKind.FINAL, DecodeKind.PARTIAL
FIRST, SECOND = "คลิกบนตัวปลา", "คลิกบนตัวปลาก่อนที่มัน"


def speaking(ms: float) -> Rig:
    rig = Rig(first_partial_ms=5_000)
    rig.start()
    rig.audio(ms)
    return rig


def texts(rig: Rig) -> list[str]:
    return [partial.text for partial in rig.of(PartialText)]


def test_a_final_decoded_at_a_pause_is_shown_before_the_end_is_sure() -> None:
    rig = speaking(1_000)
    rig.pause()
    rig.answer(result(rig.open_requests[0], FIRST))
    assert texts(rig) == [FIRST]
    assert not rig.terminals
    rig.end()
    assert rig.final_texts == [FIRST]


def test_it_is_shown_when_speech_overtook_it() -> None:
    rig = speaking(1_000)
    rig.pause()
    [guess] = rig.open_requests
    rig.resume()
    rig.answer(result(guess, FIRST))
    assert texts(rig) == [FIRST]
    rig.audio(500)
    rig.end()
    assert rig.submitted(FINAL)[-1] is not guess


def test_the_next_partial_comes_an_interval_after_the_pause() -> None:
    rig = speaking(992)
    rig.pause()
    rig.resume()
    rig.answer(result(rig.open_requests[0], FIRST))
    rig.audio(960)
    assert not rig.submitted(PARTIAL)
    rig.audio(64)
    assert len(rig.submitted(PARTIAL)) == 1


def test_no_partial_is_asked_for_while_a_final_that_speech_overtook_is_in_flight() -> None:
    rig = speaking(992)
    rig.pause()
    rig.resume()
    rig.audio(2_000)
    assert not rig.submitted(PARTIAL)
    rig.answer(result(rig.open_requests[0], FIRST))
    assert len(rig.submitted(PARTIAL)) == 1


def test_one_that_was_never_decoded_is_made_up_for_at_once() -> None:
    rig = speaking(992)
    rig.pause()
    [guess] = rig.open_requests
    rig.resume()
    rig.audio(64)
    rig.answer(dropped(guess))
    [partial] = rig.submitted(PARTIAL)
    assert len(partial.audio) > len(guess.audio)


def test_a_partial_older_than_what_was_shown_is_not_shown() -> None:
    rig = Rig(first_partial_ms=500)
    rig.start()
    rig.audio(600)
    [partial] = rig.open_requests
    rig.audio(400)
    rig.pause()
    rig.answer(result(rig.open_requests[1], SECOND))
    rig.answer(result(partial, FIRST))
    assert texts(rig) == [SECOND]


def test_what_has_ended_goes_before_what_may_go_on() -> None:
    rig = speaking(1_000)
    rig.pause()
    ended = Rig()
    ended.utterance(1_000)
    [guess], [final] = rig.submitted(FINAL), ended.submitted(FINAL)
    assert final.deadline_s - final.created_s < guess.deadline_s - guess.created_s


def test_a_slow_model_is_not_given_ever_more_finals_that_speech_overtakes() -> None:
    rig = speaking(500)
    for _ in range(4):
        rig.pause()
        rig.resume()
        rig.audio(200)
    assert len(rig.submitted(FINAL)) == 2
    rig.end()
    assert len(rig.submitted(FINAL)) == 3
