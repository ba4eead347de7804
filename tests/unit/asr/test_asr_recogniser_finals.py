"""A stream recogniser's finals: their order, failures, models, and forced splits."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

from asr.effects import DecodeProblem, FinalText
from asr.recogniser import RecogniserConfig
from asr.types import DecodeKind, Profile
from audio.types import EndReason, ms_to_samples
from tests.support.recogniser_rig import (
    DOUBTFUL_LOGPROB,
    TEXT,
    Rig,
    dropped,
    failed,
    result,
    span,
)

FINAL = DecodeKind.FINAL


# -- finals: order, failures, further attempts ----------------------------------------------------


def test_finals_go_out_in_the_order_of_speech() -> None:
    rig = Rig()
    for _ in range(3):
        rig.utterance()
        rig.audio(320)
    first, second, third = rig.open_requests
    assert rig.recogniser.pending_finals == 3
    rig.answer(result(third, "สาม"))
    rig.answer(failed(second))
    assert rig.terminals == []
    rig.answer(result(first, "หนึ่ง"))
    assert [terminal.utterance_id for terminal in rig.terminals] == [1, 2, 3]
    assert [type(terminal) for terminal in rig.terminals] == [FinalText, DecodeProblem, FinalText]
    assert rig.recogniser.pending_finals == 0


@pytest.mark.parametrize(
    ("outcome", "code"), [(failed, "decode_failed"), (dropped, "decode_dropped")]
)
def test_a_final_that_gets_no_text_is_a_problem_never_silence(outcome: object, code: str) -> None:
    assert callable(outcome)
    rig = Rig(decoder=outcome)
    rig.utterance()
    [problem] = rig.terminals
    assert isinstance(problem, DecodeProblem)
    assert (problem.utterance_id, problem.code) == (1, code)
    assert rig.recogniser.idle


def test_a_doubtful_final_is_decoded_again_and_the_better_text_is_taken() -> None:
    rig = Rig(profile=Profile.BALANCED)
    rig.utterance()
    [first] = rig.open_requests
    rig.answer(result(first, "ผิด", DOUBTFUL_LOGPROB))
    assert rig.terminals == []
    [second] = rig.open_requests
    assert second.options.context_margin_ms is None
    assert span(second) == span(first)
    rig.answer(result(second, TEXT))
    assert rig.final_texts == [TEXT]


def test_when_the_further_attempt_fails_the_first_ones_text_stands() -> None:
    rig = Rig(profile=Profile.BALANCED)
    rig.utterance()
    rig.answer(result(rig.open_requests[0], TEXT, DOUBTFUL_LOGPROB))
    rig.answer(failed(rig.open_requests[0]))
    assert rig.final_texts == [TEXT]
    assert len(rig.terminals) == 1


def test_a_failure_is_never_taken_for_silence_even_after_an_empty_attempt() -> None:
    rig = Rig(profile=Profile.BALANCED)
    rig.utterance()
    rig.answer(result(rig.open_requests[0], ""))
    rig.answer(failed(rig.open_requests[0]))
    assert isinstance(rig.terminals[0], DecodeProblem)


def test_outcomes_of_a_past_that_is_gone_are_ignored() -> None:
    rig = Rig()
    rig.utterance()
    [request] = rig.open_requests
    before = list(rig.effects)
    for change in ({"stream_id": "other"}, {"epoch": 1}, {"utterance_id": 2}, {"request_id": 9}):
        stranger = replace(request, **change)
        assert rig.recogniser.on_outcome(result(stranger, "ผิด"), 9.0) == []
    assert rig.effects == before
    rig.answer(result(request))
    for outcome in (result(request, "ผิด"), failed(request), dropped(request)):
        assert rig.recogniser.on_outcome(outcome, 9.0) == []
    assert rig.final_texts == [TEXT]


def test_a_stream_that_waits_holds_no_audio_of_its_last_utterance() -> None:
    rig = Rig()
    rig.start()
    rig.audio(700)
    rig.end()
    held = [weakref.ref(request.audio) for request in rig.open_requests]
    for _ in range(2):
        rig.answer(result(rig.open_requests[0]))
    assert rig.final_texts == [TEXT]
    rig.effects.clear()
    gc.collect()
    assert [audio() for audio in held] == [None, None]


# -- models ---------------------------------------------------------------------------------------


def test_an_utterance_ends_on_the_model_it_began_with() -> None:
    rig = Rig()
    rig.start()
    rig.audio(700)
    rig.model_id = "large"
    rig.end()
    rig.utterance()
    finals = rig.submitted(FINAL)
    assert [request.model_id for request in finals] == ["base", "large"]
    for request in reversed(finals):
        rig.answer(result(request))
    assert [final.model_id for final in rig.of(FinalText)] == ["base", "large"]


def test_models_are_let_go_once_when_their_final_is_out() -> None:
    rig = Rig()
    rig.utterance()
    rig.utterance()
    first, second = rig.open_requests
    rig.answer(result(second))
    assert [lease.releases for lease in rig.leases] == [0, 0]
    rig.answer(failed(first))
    assert [lease.releases for lease in rig.leases] == [1, 1]


def test_abandoned_it_lets_go_of_every_model_once_and_says_nothing_more() -> None:
    rig = Rig()
    rig.utterance()
    rig.utterance()
    rig.answer(result(rig.open_requests[1]))
    rig.start()
    rig.audio(700)
    open_requests, said = list(rig.open_requests), list(rig.effects)
    rig.recogniser.abandon()
    rig.recogniser.abandon()
    assert [lease.releases for lease in rig.leases] == [1, 1, 1]
    for request in open_requests:
        rig.answer(result(request))
    assert rig.effects == said
    assert [lease.releases for lease in rig.leases] == [1, 1, 1]


# -- forced splits --------------------------------------------------------------------------------

OVERLAP = RecogniserConfig(overlap_ms=200)


def split_rig(first: str, second: str, config: RecogniserConfig = OVERLAP) -> Rig:
    rig = Rig(config=config, decoder=lambda r: result(r, first if r.utterance_id == 1 else second))
    rig.start()
    rig.audio(3_000)
    split = rig.position - ms_to_samples(1_000)
    rig.end(split, EndReason.SPLIT)
    rig.start(at_sample=split)
    rig.audio(1_000)
    rig.end()
    return rig


def test_after_a_split_the_audio_overlaps_and_the_ranges_do_not() -> None:
    rig = split_rig(TEXT, TEXT)
    first, second = rig.of(FinalText)
    assert first.end_sample == second.start_sample
    one, two = rig.submitted(FINAL)
    assert span(one)[1] - span(two)[0] == ms_to_samples(200)


def test_without_overlap_nothing_is_heard_or_removed_twice() -> None:
    rig = split_rig("เขาไปมา", "มาแล้ว", RecogniserConfig())
    one, two = rig.submitted(FINAL)
    assert span(one)[1] == span(two)[0]
    assert rig.final_texts == ["เขาไปมา", "มาแล้ว"]


def test_text_said_twice_at_a_split_is_removed() -> None:
    rig = split_rig("วันนี้เขาจะไปตลาด", "ตลาดกับแม่")
    assert rig.final_texts == ["วันนี้เขาจะไปตลาด", "กับแม่"]
    assert all(not partial.text.startswith("ตลาด") for partial in rig.partials[-1:])


def test_an_utterance_that_only_repeats_is_empty_with_a_reason() -> None:
    last = split_rig("วันนี้เขาจะไปตลาด", "ตลาด").of(FinalText)[-1]
    assert (last.text, last.reason, last.silent, last.confidence) == ("", "repeated", True, 0.0)


def test_after_silence_a_repetition_is_meant() -> None:
    rig = Rig(config=OVERLAP, decoder=lambda r: result(r, "ตลาด"))
    rig.utterance()
    rig.utterance()
    assert rig.final_texts == ["ตลาด", "ตลาด"]
    one, two = rig.submitted(FINAL)
    assert span(one)[1] == span(two)[0]


def test_the_overlap_is_compared_with_the_final_before_whenever_that_comes() -> None:
    rig = Rig(config=OVERLAP)
    rig.start()
    rig.audio(500)
    split = rig.position
    rig.end(split, EndReason.SPLIT)
    rig.start()
    rig.audio(500)
    rig.end()
    first, second = rig.submitted(FINAL)
    rig.answer(result(second, "ตลาดกับแม่"))
    rig.answer(result(first, "เขาจะไปตลาด"))
    assert rig.final_texts == ["เขาจะไปตลาด", "กับแม่"]
