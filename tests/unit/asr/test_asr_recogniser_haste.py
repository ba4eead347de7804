"""A recogniser whose server ends: the shortest decodes, and an account of what got none."""

from __future__ import annotations

import pytest

from asr.effects import DecodeProblem, FinalText
from asr.types import DecodeKind, Profile
from tests.support.recogniser_rig import DOUBTFUL_LOGPROB, TEXT, Rig, dropped, result, span

FINAL = DecodeKind.FINAL
PARTIAL = DecodeKind.PARTIAL


def hurry(rig: Rig) -> None:
    rig.take(rig.recogniser.hurry())


def shortest(rig: Rig) -> bool:
    """Whether the newest final is decoded without a beam and with a cut context."""
    options = rig.submitted(FINAL)[-1].options
    return options.beam_size == 1 and options.context_margin_ms == 1_500


def test_a_final_that_waits_is_asked_for_again_by_the_shortest_way() -> None:
    rig = Rig(profile=Profile.ACCURATE)
    rig.utterance()
    assert not shortest(rig)
    hurry(rig)
    assert (1, FINAL) in rig.retired()
    first = rig.open_requests[0]
    rig.answer(dropped(first))
    assert shortest(rig)
    again = rig.open_requests[0]
    assert span(again) == span(first)
    rig.answer(result(again))
    assert len(rig.final_texts) == len(rig.terminals) == 1


def test_a_final_that_runs_already_counts() -> None:
    rig = Rig(profile=Profile.ACCURATE)
    rig.utterance()
    hurry(rig)
    rig.answer(result(rig.open_requests[0]))
    assert len(rig.submitted(FINAL)) == len(rig.final_texts) == 1


def test_a_final_that_is_short_already_is_left_alone() -> None:
    rig = Rig(profile=Profile.FAST)
    rig.utterance()
    hurry(rig)
    assert rig.retired() == []
    rig.answer(dropped(rig.open_requests[0]))  # nobody drops one, but it would not go on for ever
    assert isinstance(rig.terminals[0], DecodeProblem)


@pytest.mark.parametrize("outcome", [result, dropped])
def test_a_decode_that_was_only_in_doubt_is_not_awaited(outcome: object) -> None:
    assert callable(outcome)
    rig = Rig(profile=Profile.BALANCED)
    rig.utterance()
    rig.answer(result(rig.open_requests[0], avg_logprob=DOUBTFUL_LOGPROB))
    assert rig.terminals == []
    hurry(rig)
    assert len(rig.final_texts) == 1
    rig.answer(outcome(rig.open_requests[0]))
    assert len(rig.terminals) == 1


def test_a_loop_is_still_decoded_again() -> None:
    rig = Rig()
    rig.utterance()
    hurry(rig)
    rig.answer(result(rig.open_requests[0], "ก" * 60))
    assert rig.terminals == []
    rig.answer(result(rig.open_requests[0]))
    assert len(rig.final_texts) == 1


@pytest.mark.parametrize("profile", [Profile.BALANCED, Profile.ACCURATE])
def test_silence_is_still_confirmed(profile: Profile) -> None:
    rig = Rig(profile=profile)
    hurry(rig)
    rig.utterance()
    assert shortest(rig)
    rig.answer(result(rig.open_requests[0], ""))
    assert not shortest(rig)
    rig.answer(result(rig.open_requests[0]))
    assert rig.final_texts == [TEXT]


def test_silence_that_there_is_no_time_to_confirm_is_named() -> None:
    rig = Rig(profile=Profile.BALANCED)
    hurry(rig)
    rig.utterance()
    rig.answer(result(rig.open_requests[0], ""))
    rig.take(rig.recogniser.give_up("shutting_down", "no time"))
    (lost,) = rig.terminals
    assert isinstance(lost, DecodeProblem)


def test_what_is_improbable_is_left_at_that() -> None:
    rig = Rig()
    rig.utterance()
    hurry(rig)
    rig.answer(result(rig.open_requests[0], avg_logprob=-0.95))
    assert len(rig.terminals) == 1


def test_no_partials_and_no_decodes_at_pauses_any_more() -> None:
    rig = Rig(profile=Profile.ACCURATE)
    rig.start()
    rig.audio(700)
    hurry(rig)
    assert (1, PARTIAL) in rig.retired()
    rig.answer(dropped(rig.open_requests[0]))
    rig.audio(3_000)
    rig.pause()
    rig.resume()
    assert rig.open_requests == []
    rig.end()
    assert shortest(rig)
    rig.utterance()
    assert shortest(rig)


def test_a_decode_at_a_pause_that_waits_is_made_shorter() -> None:
    rig = Rig(profile=Profile.ACCURATE)
    rig.start()
    rig.audio(500)
    rig.pause()
    guess = rig.open_requests[-1]
    hurry(rig)
    rig.end()
    rig.answer(dropped(guess))
    assert shortest(rig)
    rig.answer(result(rig.open_requests[-1]))
    assert len(rig.final_texts) == 1


def test_giving_up_names_everything_that_is_owed() -> None:
    rig = Rig(profile=Profile.BALANCED)
    rig.utterance()
    rig.utterance()
    rig.answer(result(rig.open_requests[0], avg_logprob=DOUBTFUL_LOGPROB))
    began = rig.position
    rig.start()
    rig.audio(400)
    owed = rig.recogniser.owed_samples
    rig.take(rig.recogniser.give_up("shutting_down", "no time"))
    first, second, third = rig.terminals
    assert isinstance(first, FinalText)  # it was decoded once
    assert isinstance(second, DecodeProblem)
    assert isinstance(third, DecodeProblem)
    assert (second.code, second.end_sample - second.start_sample) == ("shutting_down", 8_192)
    assert (third.start_sample, third.end_sample) == (began, rig.position)
    assert owed == 2 * 8_192 + rig.position - began
    assert rig.recogniser.idle
    assert rig.recogniser.owed_samples == 0
    assert [lease.releases for lease in rig.leases] == [1, 1, 1]
    for request in tuple(rig.open_requests):
        rig.answer(result(request))
    assert len(rig.terminals) == 3
