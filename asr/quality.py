"""Whether a hypothesis is what somebody said, and what to do when that is in doubt. Pure.

The gate judges one decode. The policy chooses the next decode of the same audio from the
verdicts so far: deterministic, without sampling, at most `MAX_ATTEMPTS`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from asr.glossary import is_babble, is_echo
from asr.thai_text import (
    chars_per_second,
    is_bare_greeting,
    is_hallucination,
    is_loop,
    normalise,
    spoken,
)
from asr.types import DecodeOptions, Hypothesis, ModelSpec, Profile

MAX_ATTEMPTS: Final = 3

SUSPECT_LOGPROB: Final = -0.9
"""Below this Whisper base may have heard noise: a cut context does not tell it from a word."""

WINDOW_MS: Final = 30_000
"""Whisper's. A margin of so much is the full window."""

LONG_NGRAM: Final = 10
"""Tokens (about 13 Thai characters) that a decode may not say twice: nobody does, and a loop ends
with it instead of at the token limit. Whisper base: the same CER, a third less decoding."""
SHORT_NGRAM: Final = 6
"""The same where a decode has gone astray, or may be corrected by a later one. Said twice are only
greetings and the like."""

LOOP: Final = "loop"
TOO_FAST: Final = "too_fast"
TRUNCATED: Final = "truncated"
LOW_LOGPROB: Final = "low_logprob"
NO_SPEECH: Final = "no_speech"
EMPTY: Final = "empty"
HALLUCINATION: Final = "hallucination"
ECHO: Final = "echo"
"""The glossary, which the decoder reads out where it hears nothing."""

_STUTTER: Final = re.compile(r"(..+?)\1\1")

_BROKEN: Final = frozenset({LOOP, TOO_FAST, TRUNCATED, ECHO})
"""Not merely unsure: the decoder went astray."""
_UNSPEAKABLE: Final = frozenset({LOOP, TOO_FAST, ECHO})
"""No mouth said this: never shown."""


class VerdictKind(Enum):
    """What a gate says of a hypothesis."""

    ACCEPT = "accept"
    DOUBT = "doubt"
    """It may be wrong: worth decoding again."""
    NO_SPEECH = "no_speech"
    """Nobody spoke: there is no text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement and its reasons (constants of this module)."""

    kind: VerdictKind
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityGate:
    """Thresholds on a hypothesis. Log-probabilities are natural, means per token."""

    doubt_logprob: float = -0.6
    """Below this a decode may well be wrong."""
    sure_logprob: float = -0.5
    """A partial's hypothesis below this makes nothing stable and overwrites nothing. Whisper base:
    of what two such decodes agreed on, 9 % of the characters were not in the final."""
    better_logprob: float = 0.15
    """By so much a hypothesis must be more probable than what is shown to overwrite it."""
    no_speech_prob: float = 0.6
    silence_logprob: float = -1.0
    """Nobody spoke where both `no_speech_prob` is above and the log-probability below (Whisper's
    own rule and figures)."""
    silence_slope: float = 2.5
    """With a lower `no_speech_prob`, by how much the log-probability must be lower, per unit:
    Whisper base has words of one syllable at -1.6 and 0.2, noise at -1.6 and 0.4."""
    greeting_no_speech_prob: float = 0.3
    """People do say greetings: with a doubtful log-probability, above this nobody did."""
    stutter_logprob: float = -0.8
    """Below this a syllable said three times over is a loop (Whisper base to noise: -0.8, -1.0)."""
    short_speech_s: float = 1.0
    """Speech shorter than this is weak evidence for a stock phrase or a word of the glossary."""
    max_chars_per_second: float = 30.0
    """Twice the fastest reader of the evaluation clips."""

    def judge(
        self, hypothesis: Hypothesis, audio_s: float, speech_s: float, glossary: str = ""
    ) -> Verdict:
        """Judge a decode of `audio_s` seconds, of which the detector called `speech_s` speech.

        `glossary` is the one that the decoder was given.
        """
        silence = self._silence(hypothesis, speech_s)
        if silence is not None:
            return Verdict(VerdictKind.NO_SPEECH, (silence,))
        checks = (
            (LOOP, is_loop(hypothesis.text) or self._stutters(hypothesis)),
            (TOO_FAST, chars_per_second(hypothesis.text, audio_s) > self.max_chars_per_second),
            (TRUNCATED, hypothesis.truncated),
            (ECHO, self._echoes(hypothesis, speech_s, glossary)),
            (LOW_LOGPROB, hypothesis.avg_logprob < self.doubt_logprob),
        )
        reasons = tuple(reason for reason, found in checks if found)
        return Verdict(VerdictKind.DOUBT if reasons else VerdictKind.ACCEPT, reasons)

    def went_astray(self, verdict: Verdict) -> bool:
        """Whether a hypothesis is neither speech nor a loop, of which one turn may be speech."""
        if _BROKEN.isdisjoint(verdict.reasons):
            return False
        return LOOP not in verdict.reasons or LOW_LOGPROB in verdict.reasons

    def is_sure(self, hypothesis: Hypothesis, verdict: Verdict) -> bool:
        """Whether a hypothesis of speech that goes on may be relied on."""
        return verdict.kind is VerdictKind.ACCEPT and hypothesis.avg_logprob >= self.sure_logprob

    def _stutters(self, hypothesis: Hypothesis) -> bool:
        """What is said to noise where a loop is forbidden: a few turns of it, and improbable."""
        improbable = hypothesis.avg_logprob < self.stutter_logprob
        return improbable and _STUTTER.search(spoken(hypothesis.text)) is not None

    def _echoes(self, hypothesis: Hypothesis, speech_s: float, glossary: str) -> bool:
        """What is said to noise where there is a glossary. A word or two of it may be an answer."""
        if is_babble(hypothesis.text, glossary):
            return True
        return self._is_weak(hypothesis, speech_s) and is_echo(hypothesis.text, glossary)

    def _is_weak(self, hypothesis: Hypothesis, speech_s: float) -> bool:
        """Whether there is little to say that anybody spoke."""
        return (
            hypothesis.avg_logprob < self.doubt_logprob
            or hypothesis.no_speech_prob >= self.no_speech_prob
            or speech_s < self.short_speech_s
        )

    def _silence(self, hypothesis: Hypothesis, speech_s: float) -> str | None:
        """Why a hypothesis is nobody's speech; None if it may be somebody's."""
        text, logprob = hypothesis.text, hypothesis.avg_logprob
        if not spoken(text):
            return EMPTY
        missing = max(0.0, self.no_speech_prob - hypothesis.no_speech_prob)
        if logprob < self.silence_logprob - self.silence_slope * missing:
            return NO_SPEECH
        unsure = logprob < self.doubt_logprob
        if self._is_weak(hypothesis, speech_s) and is_hallucination(text):
            return HALLUCINATION
        quiet = hypothesis.no_speech_prob > self.greeting_no_speech_prob
        return HALLUCINATION if unsure and quiet and is_bare_greeting(text) else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decode of an utterance."""

    options: DecodeOptions
    hypothesis: Hypothesis
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """An utterance's text (normalised) and where it is from; `reason` says why it is empty."""

    text: str
    hypothesis: Hypothesis | None
    reason: str | None


class FinalPolicy:
    """Which decodes a final gets. Attempts are in order, of one utterance."""

    def __init__(
        self,
        profile: Profile,
        context_margin_ms: int | None,
        wide_margin_ms: int | None = None,
        redo_logprob: float = -0.7,
        glossary: str = "",
    ) -> None:
        """Margins as in DecodeOptions: of a quick decode, and of one that must be right.

        BALANCED decodes again what is below `redo_logprob`. A model's own figures stand in
        models.yaml. What went astray is decoded again without the glossary, which may be why.
        """
        cut = DecodeOptions(
            1, context_margin_ms, no_repeat_ngram_size=LONG_NGRAM, glossary=glossary
        )
        if wide_margin_ms is not None and wide_margin_ms >= WINDOW_MS:
            wide_margin_ms = None
        self._cut = cut
        self._wide = replace(cut, beam_size=5, context_margin_ms=wide_margin_ms)
        self._repairs = (
            DecodeOptions(5, wide_margin_ms, no_repeat_ngram_size=SHORT_NGRAM),
            DecodeOptions(5, None, no_repeat_ngram_size=SHORT_NGRAM),
            DecodeOptions(1, None, no_repeat_ngram_size=SHORT_NGRAM // 2),
        )
        self._profile = profile
        self._redo_logprob = redo_logprob
        self._first = self._wide if profile is Profile.ACCURATE else cut
        self._in_haste = False

    @classmethod
    def of_model(cls, profile: Profile, spec: ModelSpec, glossary: str = "") -> FinalPolicy:
        """The policy for a model, by its figures in the catalogue."""
        return cls(
            profile, spec.context_margin_ms, spec.wide_margin_ms, spec.redo_logprob, glossary
        )

    def in_haste(self) -> FinalPolicy:
        """The same where time runs out: cut and greedy, and what is in doubt is left at that.

        But for silence, which would be told to nobody: all but FAST confirm it, as ever.
        """
        hasty = copy(self)
        hasty._first, hasty._in_haste = self._cut, True
        return hasty

    def first(self) -> DecodeOptions:
        """Options of the first decode."""
        return self._first

    def next(self, attempts: Sequence[Attempt]) -> DecodeOptions | None:
        """Options of the next decode; None when the attempts are enough.

        Every profile decodes again what went astray (loop, impossible speed, cut off by the
        token limit, or the glossary read out), so that it cannot repeat itself. BALANCED also
        decodes once, with a beam and wide context, whatever a cut context leaves in doubt or
        takes for no speech: there `no_speech_prob` is too high for short words (Whisper base: up
        to 0.85, and at most 0.3 with the full window). For what is most improbable the full
        window has to confirm that somebody spoke.
        """
        if len(attempts) >= MAX_ATTEMPTS:
            return None
        last = attempts[-1]
        if not _BROKEN.isdisjoint(last.verdict.reasons):
            tried = {attempt.options for attempt in attempts}
            return next((options for options in self._repairs if options not in tried), None)
        silent = last.verdict.kind is VerdictKind.NO_SPEECH
        if self._in_haste:
            unsure = silent and last.options == self._cut and self._profile is not Profile.FAST
            return self._wide if unsure else None
        if self._profile is Profile.BALANCED and len(attempts) == 1:
            if silent or last.hypothesis.avg_logprob < self._redo_logprob:
                return self._wide
        elif not silent and self._is_suspect(last):
            return self._repairs[1]
        return None

    @staticmethod
    def _is_suspect(attempt: Attempt) -> bool:
        seen_all = attempt.options.context_margin_ms is None
        return not seen_all and attempt.hypothesis.avg_logprob < SUSPECT_LOGPROB

    def best(self, attempts: Sequence[Attempt]) -> Outcome:
        """Choose among attempts: the accepted one, else the most probable that a mouth can say.

        The last attempt saw most context: where it finds no speech there is none.
        """
        last = attempts[-1]
        if last.verdict.kind is VerdictKind.NO_SPEECH:
            return Outcome("", last.hypothesis, NO_SPEECH)
        spoken_ones = [made for made in attempts if made.verdict.kind is not VerdictKind.NO_SPEECH]
        accepted = [made for made in spoken_ones if made.verdict.kind is VerdictKind.ACCEPT]
        candidates = accepted or [
            made for made in spoken_ones if _UNSPEAKABLE.isdisjoint(made.verdict.reasons)
        ]
        if not candidates:
            return Outcome("", last.hypothesis, last.verdict.reasons[0])
        chosen = max(candidates, key=lambda made: made.hypothesis.avg_logprob)
        return Outcome(normalise(chosen.hypothesis.text), chosen.hypothesis, None)
