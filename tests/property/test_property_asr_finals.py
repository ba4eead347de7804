"""Utterances with doubtful, failing and out-of-order decodes: one concluded final each, last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asr.effects import DecodeProblem, FinalText, QuickFinal, Submit
from asr.recogniser import RecogniserConfig
from asr.thai_text import is_loop
from asr.types import DecodeKind, DecodeOutcome, DecodeRequest, DecodeResult, Profile
from audio.types import EndReason
from tests.support.recogniser_rig import (
    DOUBTFUL_LOGPROB,
    GOOD_LOGPROB,
    TEXT,
    Rig,
    dropped,
    failed,
    hypothesis,
)

MAX_DECODES = 3
LOOP = "ก" * 60

Answer = Callable[[DecodeRequest], DecodeOutcome]


def decoded(text: str, avg_logprob: float, truncated: bool) -> Answer:
    heard = replace(hypothesis(text, avg_logprob), truncated=truncated)
    return lambda request: DecodeResult(request, heard, 0.0, 0.25, 1)


DECODED = st.builds(
    decoded,
    st.sampled_from([TEXT, TEXT[:7], "ตลาด", "ครับตลาด", "", LOOP]),
    st.sampled_from([DOUBTFUL_LOGPROB, DOUBTFUL_LOGPROB, GOOD_LOGPROB, -3.0]),
    st.sampled_from([False, False, True]),
)
ANSWERS = st.lists(
    DECODED | st.sampled_from([failed, dropped]), min_size=MAX_DECODES, max_size=MAX_DECODES
)
UTTERANCES = st.lists(st.tuples(ANSWERS, st.booleans()), min_size=1, max_size=5)


@given(
    profile=st.sampled_from([Profile.BALANCED, Profile.BALANCED, Profile.FAST, Profile.ACCURATE]),
    utterances=UTTERANCES,
    order=st.lists(st.integers(0, 4), max_size=15),
)
def test_one_concluded_final_each_whatever_is_doubted(
    profile: Profile, utterances: list[tuple[list[Answer], bool]], order: list[int]
) -> None:
    """`order` picks which open decode ends next; the rest end newest first."""
    rig = Rig(profile=profile, config=RecogniserConfig(overlap_ms=200), first_partial_ms=10_000)
    for _, is_split in utterances:
        rig.start()
        rig.audio(700)
        rig.end(reason=EndReason.SPLIT if is_split else EndReason.SILENCE)
    remaining = {number: list(answers) for number, (answers, _) in enumerate(utterances, start=1)}
    for choice in [*order, *[-1] * MAX_DECODES * len(utterances)]:
        if rig.open_requests:
            request = rig.open_requests[choice % len(rig.open_requests)]
            rig.answer(remaining[request.utterance_id].pop(0)(request))
    assert rig.recogniser.idle
    assert [final.utterance_id for final in rig.terminals] == list(remaining)
    assert all(lease.releases == 1 for lease in rig.leases)
    assert_quick_finals_are_sane(rig)


def assert_quick_finals_are_sane(rig: Rig) -> None:
    quick: dict[int, FinalText] = {}
    told: set[int] = set()
    """Utterances of which either kind of final was told."""
    concluded: set[int] = set()
    for effect, following in pairwise([*rig.effects, None]):
        match effect:
            case QuickFinal(so_far):
                assert so_far.utterance_id not in told, "once, and before the concluded one"
                assert told >= set(range(1, so_far.utterance_id)), "in the order spoken"
                assert so_far.text
                assert not is_loop(so_far.text)
                assert isinstance(following, Submit), "another decode follows"
                assert following.request.kind is DecodeKind.FINAL
                assert following.request.utterance_id == so_far.utterance_id
                quick[so_far.utterance_id] = so_far
                told.add(so_far.utterance_id)
            case FinalText(utterance_id=number):
                assert effect.revises == (number in quick)
                assert number not in quick or effect.revision > quick[number].revision
                assert number not in concluded
                concluded.add(number)
                told.add(number)
            case DecodeProblem(utterance_id=number, kind=DecodeKind.FINAL):
                assert number not in quick, "its text would do"
                assert number not in concluded
                concluded.add(number)
                told.add(number)
