"""Quick finals: what is told of an utterance while it is decoded once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asr.effects import DecodeProblem, FinalText, QuickFinal, SpeechOver, Submit
from asr.recogniser import RecogniserConfig
from asr.types import DecodeResult, Hypothesis, Profile
from audio.types import EndReason
from tests.support.recogniser_rig import (
    DOUBTFUL_LOGPROB,
    TEXT,
    Rig,
    dropped,
    failed,
    hypothesis,
    result,
)

LOOP = "กขค" * 20
BETTER = "สวัสดีค่ะ"


def balanced(config: RecogniserConfig | None = None) -> Rig:
    return Rig(profile=Profile.BALANCED, config=config or RecogniserConfig())


def answer(rig: Rig, utterance_id: int, text: str, avg_logprob: float = -0.1) -> None:
    """Answer the open final of one utterance."""
    [request] = [r for r in rig.open_requests if r.utterance_id == utterance_id]
    rig.answer(result(request, text, avg_logprob))


def doubt(rig: Rig, utterance_id: int, text: str) -> None:
    answer(rig, utterance_id, text, DOUBTFUL_LOGPROB)


def told(rig: Rig) -> list[tuple[str, int, str]]:
    """Finals of either kind as they came: kind, utterance, text."""
    return [
        ("quick", effect.so_far.utterance_id, effect.so_far.text)
        if isinstance(effect, QuickFinal)
        else ("final", effect.utterance_id, effect.text)
        for effect in rig.effects
        if isinstance(effect, QuickFinal | FinalText)
    ]


def test_accepted_at_once_there_is_one_final() -> None:
    rig = balanced()
    rig.utterance()
    answer(rig, 1, TEXT)
    assert told(rig) == [("final", 1, TEXT)]
    assert not rig.of(FinalText)[0].revises


def test_a_doubtful_text_is_told_at_once_and_the_better_one_follows() -> None:
    rig = balanced()
    rig.utterance()
    doubt(rig, 1, TEXT)
    quick, again = rig.effects[-2:]
    assert isinstance(quick, QuickFinal)
    assert isinstance(again, Submit), "told only where another decode follows"
    assert rig.recogniser.pending_finals == 1
    answer(rig, 1, BETTER)
    assert told(rig) == [("quick", 1, TEXT), ("final", 1, BETTER)]
    [final] = rig.of(FinalText)
    assert final.revises
    assert final.revision > quick.so_far.revision
    assert (final.start_sample, final.end_sample) == (
        quick.so_far.start_sample,
        quick.so_far.end_sample,
    )


def test_a_guess_that_is_doubtful_is_told_when_the_utterance_has_ended() -> None:
    rig = balanced()
    rig.start()
    rig.audio(500)
    rig.pause()
    doubt(rig, 1, TEXT)
    assert told(rig) == []
    rig.end(reason=EndReason.SILENCE)
    assert [type(effect) for effect in rig.effects[-3:]] == [SpeechOver, QuickFinal, Submit]


@pytest.mark.parametrize(
    "first",
    [
        hypothesis(LOOP),
        hypothesis("ก็ไม่รู้เหมือนกันว่าเขาจะไปไหน", DOUBTFUL_LOGPROB),
        hypothesis("", DOUBTFUL_LOGPROB),
        replace(hypothesis(TEXT, -1.5), no_speech_prob=0.9),
    ],
    ids=["loop", "too fast", "empty", "no speech"],
)
def test_what_nobody_said_is_never_told(first: Hypothesis) -> None:
    rig = balanced()
    rig.utterance(500)
    [request] = rig.open_requests
    rig.answer(DecodeResult(request, first, 0.0, 0.25, 1))
    assert len(rig.open_requests) == 1
    answer(rig, 1, TEXT)
    assert told(rig) == [("final", 1, TEXT)]


def test_it_is_told_once_however_many_decodes_follow() -> None:
    rig = balanced()
    rig.utterance()
    doubt(rig, 1, TEXT)
    [request] = rig.open_requests
    cut_off = replace(hypothesis(BETTER, DOUBTFUL_LOGPROB), truncated=True)
    rig.answer(DecodeResult(request, cut_off, 0.0, 0.25, 1))
    answer(rig, 1, BETTER)
    assert told(rig) == [("quick", 1, TEXT), ("final", 1, BETTER)]


@pytest.mark.parametrize("outcome", [failed, dropped])
def test_when_the_further_decode_fails_the_final_is_the_first_ones(outcome: object) -> None:
    assert callable(outcome)
    rig = balanced()
    rig.utterance()
    doubt(rig, 1, TEXT)
    rig.answer(outcome(rig.open_requests[0]))
    assert told(rig) == [("quick", 1, TEXT), ("final", 1, TEXT)]
    assert rig.recogniser.idle


def test_no_speech_after_all_takes_the_quick_text_back() -> None:
    rig = balanced()
    rig.utterance()
    doubt(rig, 1, TEXT)
    answer(rig, 1, "")
    [final] = rig.of(FinalText)
    assert (final.text, final.reason) == ("", "no_speech")
    assert (final.silent, final.revises) == (True, True)


def test_quick_finals_keep_the_order_of_speech() -> None:
    rig = balanced()
    for _ in range(4):
        rig.utterance()
    doubt(rig, 2, "สอง")  # nothing is known of the first
    doubt(rig, 1, "หนึ่ง")
    answer(rig, 3, "สาม")  # accepted, and waits for the first two
    doubt(rig, 4, "สี่")  # the third has not been told
    assert told(rig) == [("quick", 1, "หนึ่ง")]
    answer(rig, 2, "สอง สอง")
    answer(rig, 1, "หนึ่ง หนึ่ง")
    answer(rig, 4, "สี่ สี่")
    assert told(rig)[1:] == [
        ("final", 1, "หนึ่ง หนึ่ง"),
        ("final", 2, "สอง สอง"),
        ("final", 3, "สาม"),
        ("final", 4, "สี่ สี่"),
    ]


def test_the_next_one_may_be_told_behind_a_quick_one_or_a_lost_one() -> None:
    rig = balanced()
    rig.utterance()
    rig.utterance()
    doubt(rig, 1, "หนึ่ง")
    doubt(rig, 2, "สอง")
    assert told(rig) == [("quick", 1, "หนึ่ง"), ("quick", 2, "สอง")]
    rig = balanced()
    rig.utterance()
    rig.utterance()
    rig.answer(failed(rig.open_requests[0]))
    doubt(rig, 2, "สอง")
    assert told(rig) == [("quick", 2, "สอง")]
    assert isinstance(rig.terminals[0], DecodeProblem)


def test_abandoned_it_tells_nothing_more() -> None:
    rig = balanced()
    rig.utterance()
    doubt(rig, 1, TEXT)
    rig.recogniser.abandon()
    answer(rig, 1, BETTER)
    assert told(rig) == [("quick", 1, TEXT)]
    assert [lease.releases for lease in rig.leases] == [1]


def split(first: str) -> Rig:
    """Two utterances with overlapping audio, the first told as a quick final."""
    rig = balanced(RecogniserConfig(overlap_ms=200))
    rig.start()
    rig.audio(500)
    rig.end(rig.position, EndReason.SPLIT)
    rig.utterance()
    doubt(rig, 1, first)
    return rig


def test_text_said_twice_at_a_split_is_not_told_twice() -> None:
    rig = split("เขาไปตลาด")
    doubt(rig, 2, "ตลาดกับแม่")
    assert told(rig)[1:] == [("quick", 2, "กับแม่")]
    answer(rig, 1, "เขาไปตลอด")
    answer(rig, 2, "ตลาดกับแม่")
    assert told(rig)[2:] == [("final", 1, "เขาไปตลอด"), ("final", 2, "ตลาดกับแม่")]


def test_where_all_was_said_before_a_split_nothing_is_told() -> None:
    rig = split("เขาไปตลาด")
    doubt(rig, 2, "ตลาด")
    assert told(rig)[1:] == []
