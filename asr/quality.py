"""Whether a hypothesis is what somebody said, and what to do when that is in doubt. Pure.

The gate judges one decode. The policy chooses the next decode of the same audio from the
verdicts so far: deterministic, without sampling, at most `MAX_ATTEMPTS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asr.thai_text import (
    chars_per_second,
    is_bare_greeting,
    is_hallucination,
    is_loop,
    normalise,
    spoken,
)
from asr.types import DecodeOptions, Hypothesis, Profile

MAX_ATTEMPTS: Final = 3

LOOP: Final = "loop"
TOO_FAST: Final = "too_fast"
TRUNCATED: Final = "truncated"
LOW_LOGPROB: Final = "low_logprob"
NO_SPEECH: Final = "no_speech"
EMPTY: Final = "empty"
HALLUCINATION: Final = "hallucination"

_BROKEN: Final = frozenset({LOOP, TOO_FAST, TRUNCATED})
"""Not merely unsure: the decoder went astray."""
_UNSPEAKABLE: Final = frozenset({LOOP, TOO_FAST})
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
    """Below this a decode with the full window is better on the average."""
    silence_logprob: float = -1.0
    """With a high `no_speech_prob`, below this nobody spoke (Whisper's own rule and figure)."""
    no_speech_prob: float = 0.6
    short_speech_s: float = 1.0
    """Speech shorter than this is weak evidence for a stock phrase."""
    max_chars_per_second: float = 30.0
    """Twice the fastest reader of the evaluation clips."""

    def judge(self, hypothesis: Hypothesis, audio_s: float, speech_s: float) -> Verdict:
        """Judge a decode of `audio_s` seconds, of which the detector called `speech_s` speech."""
        silence = self._silence(hypothesis, speech_s)
        if silence is not None:
            return Verdict(VerdictKind.NO_SPEECH, (silence,))
        checks = (
            (LOOP, is_loop(hypothesis.text)),
            (TOO_FAST, chars_per_second(hypothesis.text, audio_s) > self.max_chars_per_second),
            (TRUNCATED, hypothesis.truncated),
            (LOW_LOGPROB, hypothesis.avg_logprob < self.doubt_logprob),
        )
        reasons = tuple(reason for reason, found in checks if found)
        return Verdict(VerdictKind.DOUBT if reasons else VerdictKind.ACCEPT, reasons)

    def _silence(self, hypothesis: Hypothesis, speech_s: float) -> str | None:
        """Why a hypothesis is nobody's speech; None if it may be somebody's."""
        text = hypothesis.text
        quiet = hypothesis.no_speech_prob > self.no_speech_prob
        if not spoken(text):
            return EMPTY
        if quiet and hypothesis.avg_logprob < self.silence_logprob:
            return NO_SPEECH
        unsure = quiet or hypothesis.avg_logprob < self.doubt_logprob
        if is_hallucination(text) and (unsure or speech_s < self.short_speech_s):
            return HALLUCINATION
        if is_bare_greeting(text) and quiet and hypothesis.avg_logprob < self.doubt_logprob:
            return HALLUCINATION
        return None


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
        self, profile: Profile, context_margin_ms: int | None, redo_beam_size: int = 1
    ) -> None:
        """`context_margin_ms` is for the cut context; `redo_beam_size` for BALANCED's redo."""
        cut = DecodeOptions(beam_size=1, context_margin_ms=context_margin_ms)
        full = DecodeOptions(beam_size=redo_beam_size, context_margin_ms=None)
        beam = DecodeOptions(beam_size=5, context_margin_ms=None)
        beam_without_loops = DecodeOptions(
            beam_size=5, context_margin_ms=None, no_repeat_ngram_size=6
        )
        greedy_without_loops = DecodeOptions(
            beam_size=1, context_margin_ms=None, no_repeat_ngram_size=3
        )
        self._profile = profile
        self._ladder = {
            Profile.FAST: (cut, full, beam_without_loops),
            Profile.BALANCED: (cut, full, beam_without_loops),
            Profile.ACCURATE: (beam, beam_without_loops, greedy_without_loops),
        }[profile]

    def first(self) -> DecodeOptions:
        """Options of the first decode."""
        return self._ladder[0]

    def next(self, attempts: Sequence[Attempt]) -> DecodeOptions | None:
        """Options of the next decode; None when the attempts are enough.

        Every profile decodes again what went astray (loop, impossible speed, cut off by the
        token limit). BALANCED also decodes whatever is in doubt once with the full window.
        """
        if len(attempts) >= MAX_ATTEMPTS or not self._wants_more(attempts):
            return None
        tried = {attempt.options for attempt in attempts}
        return next((options for options in self._ladder if options not in tried), None)

    def _wants_more(self, attempts: Sequence[Attempt]) -> bool:
        verdict = attempts[-1].verdict
        if verdict.kind is not VerdictKind.DOUBT:
            return False
        if not _BROKEN.isdisjoint(verdict.reasons):
            return True
        cut = attempts[-1].options.context_margin_ms is not None
        return self._profile is Profile.BALANCED and cut

    def best(self, attempts: Sequence[Attempt]) -> Outcome:
        """Choose among attempts: the accepted one, else the most probable that a mouth can say.

        The last attempt saw most context: where it finds no speech there is none.
        """
        last = attempts[-1]
        if last.verdict.kind is VerdictKind.NO_SPEECH:
            return Outcome("", last.hypothesis, NO_SPEECH)
        accepted = [made for made in attempts if made.verdict.kind is VerdictKind.ACCEPT]
        candidates = accepted or [
            made for made in attempts if _UNSPEAKABLE.isdisjoint(made.verdict.reasons)
        ]
        if not candidates:
            return Outcome("", last.hypothesis, last.verdict.reasons[0])
        chosen = max(candidates, key=lambda made: made.hypothesis.avg_logprob)
        return Outcome(normalise(chosen.hypothesis.text), chosen.hypothesis, None)
