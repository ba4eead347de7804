"""A stream recogniser, event by event."""

from __future__ import annotations

from itertools import pairwise

import pytest

from asr.effects import DecodeProblem, FinalText, SpeechBegan, SpeechOver, Submit
from asr.recogniser import QUIET_HISTORY_SAMPLES
from asr.types import DecodeKind
from audio.types import EndReason, ms_to_samples
from tests.support.recogniser_rig import (
    TEXT,
    Rig,
    dropped,
    failed,
    result,
    span,
)

FINAL, PARTIAL = DecodeKind.FINAL, DecodeKind.PARTIAL


# -- one utterance --------------------------------------------------------------------------------


def test_an_utterance_begins_ends_and_gets_its_final() -> None:
    rig = Rig(decoder=result)
    rig.audio(500)
    begin = rig.position
    rig.utterance()
    assert rig.of(SpeechBegan) == [SpeechBegan(1, begin)]
    assert rig.of(SpeechOver) == [SpeechOver(1, rig.position, EndReason.FLUSH)]
    assert rig.terminals == [
        FinalText(
            utterance_id=1,
            revision=2,
            text=TEXT,
            start_sample=begin,
            end_sample=rig.position,
            end_reason=EndReason.FLUSH,
            decode_s=0.25,
            confidence=0.905,
            model_id="base",
            reason=None,
            silent=False,
        )
    ]
    assert rig.recogniser.idle


def test_the_final_hears_the_utterance_from_its_pre_roll_to_its_end() -> None:
    rig = Rig()
    rig.audio(1_000)
    start = rig.position - ms_to_samples(300)
    rig.start(at_sample=start)
    rig.audio(500)
    end = rig.position - ms_to_samples(100)
    rig.end(end)
    [request] = rig.submitted(FINAL)
    assert span(request) == (start, end)


@pytest.mark.parametrize("silence_ms", [0, 60_000])
def test_an_utterance_may_begin_long_before_it_is_detected(silence_ms: int) -> None:
    rig = Rig()
    rig.audio(silence_ms + 9_000)
    start = rig.position - ms_to_samples(7_000)
    rig.start(at_sample=start)
    rig.end()
    assert span(rig.submitted(FINAL)[0]) == (start, rig.position)


def test_an_utterance_from_beyond_the_history_begins_where_the_history_does() -> None:
    rig = Rig(decoder=result)
    rig.audio(20_000)
    rig.start(at_sample=0)
    rig.end()
    kept = rig.position - QUIET_HISTORY_SAMPLES
    assert span(rig.submitted(FINAL)[0]) == (kept, rig.position)
    assert rig.of(SpeechBegan)[0].at_sample == rig.of(FinalText)[0].start_sample == kept


def test_nothing_said_is_a_silent_final() -> None:
    rig = Rig(decoder=lambda request: result(request, text=""))
    rig.utterance(2_000)
    [final] = rig.of(FinalText)
    assert (final.text, final.silent, final.reason, final.confidence) == ("", True, "no_speech", 0)
    assert rig.partials == []


def test_nothing_said_after_a_partial_was_shown_is_news() -> None:
    rig = Rig(decoder=lambda r: result(r, TEXT if r.kind is PARTIAL else ""))
    rig.utterance(2_000)
    [final] = rig.of(FinalText)
    assert (final.text, final.silent, final.reason) == ("", False, "no_speech")


# -- partials -------------------------------------------------------------------------------------


def test_partials_keep_their_cadence_on_the_audio_clock() -> None:
    rig = Rig(decoder=result)
    rig.start()
    rig.audio(4_000)
    ends = [span(request)[1] for request in rig.submitted(PARTIAL)]
    window = 512
    assert ms_to_samples(600) <= ends[0] < ms_to_samples(600) + window
    for earlier, later in pairwise(ends):
        assert ms_to_samples(1_000) <= later - earlier < ms_to_samples(1_000) + window
    assert len(ends) == 4
    assert [partial.end_sample for partial in rig.partials] == ends
    assert [partial.revision for partial in rig.partials] == [1, 2, 3, 4]
    assert all(partial.text.startswith(partial.stable_text) for partial in rig.partials)
    assert rig.partials[1].stable_text


def test_a_busy_engine_makes_partials_rarer_and_never_late() -> None:
    rig = Rig()
    rig.start()
    rig.audio(5_000)
    [only] = rig.submitted(PARTIAL)
    rig.answer(result(only))
    assert [span(r)[1] for r in rig.submitted(PARTIAL)][1:] == [rig.position]


@pytest.mark.parametrize("outcome", [failed, dropped])
def test_partials_go_on_after_one_that_failed_or_was_dropped(outcome: object) -> None:
    assert callable(outcome)
    rig = Rig()
    rig.start()
    rig.audio(700)
    request = rig.open_requests[0]
    rig.answer(outcome(request))
    assert rig.of(DecodeProblem) == (
        [DecodeProblem(1, PARTIAL, "decode_failed", "the engine broke", *span(request))]
        if outcome is failed
        else []
    )
    rig.audio(1_100)
    rig.answer(result(rig.open_requests[0]))
    assert len(rig.partials) == 1
    assert rig.terminals == []


def test_no_partial_after_the_end() -> None:
    rig = Rig()
    rig.start()
    rig.audio(700)
    [partial] = rig.open_requests
    rig.end()
    assert rig.retired() == [(1, PARTIAL)]
    rig.answer(result(partial))
    assert rig.partials == []
    assert rig.terminals == []
    rig.answer(result(rig.open_requests[0]))
    rig.audio(3_000)
    assert len(rig.submitted(PARTIAL)) == 1
    assert rig.final_texts == [TEXT]


def test_no_partial_is_asked_for_in_a_pause() -> None:
    rig = Rig(decoder=result)
    rig.start()
    rig.audio(320)
    rig.pause()
    rig.audio(3_000)
    assert rig.submitted(PARTIAL) == []
    rig.resume()
    rig.audio(32)
    assert len(rig.submitted(PARTIAL)) == 1


def test_a_nudge_shows_what_there_is_once() -> None:
    rig = Rig(decoder=result)
    rig.take(rig.recogniser.nudge(0.0))
    rig.start()
    rig.audio(400)
    rig.take(rig.recogniser.nudge(0.0))
    rig.take(rig.recogniser.nudge(0.0))
    assert [partial.end_sample for partial in rig.partials] == [rig.position]


# -- the early final ------------------------------------------------------------------------------


def paused_rig() -> Rig:
    rig = Rig()
    rig.start()
    rig.audio(500)
    rig.pause()
    rig.audio(300)
    return rig


def pause_end(rig: Rig) -> int:
    return span(rig.submitted(FINAL)[0])[1]


@pytest.mark.parametrize("answered_first", [True, False])
def test_the_final_decoded_at_the_pause_is_adopted_at_the_end(answered_first: bool) -> None:
    rig = paused_rig()
    [guess] = rig.open_requests
    if answered_first:
        rig.answer(result(guess))
    assert rig.terminals == []
    rig.end(pause_end(rig), EndReason.SILENCE)
    if not answered_first:
        rig.answer(result(guess))
    assert rig.submitted(FINAL) == [guess]
    assert rig.final_texts == [TEXT]
    assert rig.retired() == []


@pytest.mark.parametrize("answered", ["before", "after", "dropped"])
def test_the_final_decoded_at_a_pause_is_thrown_away_when_speech_goes_on(answered: str) -> None:
    rig = paused_rig()
    [guess] = rig.open_requests
    if answered == "before":
        rig.answer(result(guess, "ผิด"))
    rig.resume()
    assert rig.retired() == [(1, FINAL)]
    if answered == "dropped":
        rig.answer(dropped(guess))
    rig.audio(64)
    rig.end()
    if answered == "after":
        rig.answer(result(guess, "ผิด"))
    assert rig.terminals == []
    final = rig.submitted(FINAL)[-1]
    assert final is not guess
    rig.answer(result(final))
    assert rig.final_texts == [TEXT]


def test_each_pause_has_its_own_early_final() -> None:
    rig = paused_rig()
    rig.answer(result(rig.open_requests[0], "ผิด"))
    rig.resume()
    rig.audio(64)
    rig.pause()
    second = rig.submitted(FINAL)[-1]
    rig.end(rig.position, EndReason.SILENCE)
    assert rig.terminals == []
    rig.answer(result(second))
    assert rig.final_texts == [TEXT]
    assert len(rig.submitted(FINAL)) == 2


def test_an_end_elsewhere_than_at_the_pause_is_decoded_anew() -> None:
    rig = paused_rig()
    [guess] = rig.open_requests
    rig.end()
    assert rig.retired() == [(1, FINAL)]
    again = rig.submitted(FINAL)[-1]
    assert span(again) == (0, rig.position)
    rig.answer(result(guess, "ผิด"))
    rig.answer(result(again))
    assert rig.final_texts == [TEXT]


def test_a_failed_early_decode_is_tried_again_at_the_end() -> None:
    rig = paused_rig()
    rig.answer(failed(rig.open_requests[0]))
    assert rig.of(DecodeProblem) == []
    rig.end(pause_end(rig), EndReason.SILENCE)
    rig.answer(result(rig.open_requests[0]))
    assert rig.final_texts == [TEXT]


def test_a_pause_retires_the_partial_that_waits() -> None:
    rig = Rig()
    rig.start()
    rig.audio(700)
    rig.pause()
    assert rig.retired() == [(1, PARTIAL)]
    kinds = [type(effect) for effect in rig.effects[-2:]]
    assert kinds[-1] is Submit
