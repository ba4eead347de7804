"""Who waits for text, and for how long."""

from __future__ import annotations

import pytest

from asr.effects import DecodeProblem, FinalText, PartialText, QuickFinal, SpeechBegan, SpeechOver
from asr.types import DecodeKind
from audio.types import EndReason
from server.owed_text import OwedText
from server.presenter import News


def over(utterance: int) -> SpeechOver:
    return SpeechOver(utterance, 100, EndReason.SILENCE)


def partial(utterance: int) -> PartialText:
    return PartialText(utterance, 1, "ก", "", 0, 100, "m")


def final(utterance: int, *, silent: bool = False) -> FinalText:
    return FinalText(
        utterance, 1, "", 0, 100, EndReason.SILENCE, 0.1, 0.9, "m", "no_speech", silent
    )


def problem(utterance: int, kind: DecodeKind) -> DecodeProblem:
    return DecodeProblem(utterance, kind, "decode_timeout", "", 0, 100)


def told(*news: tuple[float, str, News]) -> OwedText:
    owed = OwedText()
    for at_s, stream_id, each in news:
        owed.note(stream_id, each, at_s)
    return owed


def test_nobody_waits_before_speech_ends() -> None:
    owed = told((0, "a1.1", SpeechBegan(1, 0)), (1, "a1.1", partial(1)))
    assert (owed.utterances, owed.longest_wait_s(100)) == (0, 0)


@pytest.mark.parametrize(
    "last", [final(1), final(1, silent=True), problem(1, DecodeKind.FINAL)], ids=type
)
def test_an_utterance_waits_from_its_end_to_its_outcome(last: News) -> None:
    owed = told((5, "a1.1", over(1)))
    assert (owed.utterances, owed.longest_wait_s(12)) == (1, 7)
    owed.note("a1.1", last, 13)
    assert (owed.utterances, owed.longest_wait_s(20)) == (0, 0)


@pytest.mark.parametrize(
    "word",
    [partial(2), QuickFinal(final(1)), problem(2, DecodeKind.PARTIAL), final(2)],
    ids=type,
)
def test_any_word_of_the_stream_shows_that_it_lives(word: News) -> None:
    owed = told((5, "a1.1", over(1)), (9, "a1.1", over(2)), (10, "a1.1", word))
    assert owed.longest_wait_s(12) == 2
    assert owed.utterances == (1 if word == final(2) else 2)


def test_who_waits_longest_counts_and_who_is_gone_does_not() -> None:
    owed = told((5, "a1.1", over(1)), (6, "a1.2", over(1)), (7, "a11.1", over(1)))
    assert owed.longest_wait_s(10) == 5
    owed.forget("a1")
    assert (owed.utterances, owed.longest_wait_s(10)) == (1, 3)
