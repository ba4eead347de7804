"""From a recogniser's effects to events on the wire. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from msgspec import UNSET, UnsetType

from asr.effects import (
    DecodeProblem,
    FinalText,
    PartialText,
    QuickFinal,
    SpeechBegan,
    SpeechOver,
)
from asr.types import DecodeKind
from audio.types import SAMPLE_RATE_HZ, samples_to_ms
from server.flow_messages import Gap
from server.messages import (
    ErrorEvent,
    FinalTranscription,
    RealtimeTranscription,
    SpeechEndedEvent,
    SpeechStartedEvent,
    optional,
)
from server.problem import Problem

Spoken: TypeAlias = (
    RealtimeTranscription | FinalTranscription | SpeechStartedEvent | SpeechEndedEvent | ErrorEvent
)
"""What a stream's news become."""

News = SpeechBegan | SpeechOver | PartialText | QuickFinal | FinalText | DecodeProblem


def timestamp(moment: datetime) -> str:
    """UTC, milliseconds, `Z`: 2025-09-03T10:30:00.000Z."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Presenter:
    """Turns one stream's effects into events. `repo_of` gives a model's repository."""

    session_id: str
    stream_id: str
    speaker: str | None
    repo_of: Callable[[str], str]
    wall_clock: Callable[[], datetime]

    def event(self, effect: News) -> Spoken | None:
        """The event for an effect, or None for one that is no news."""
        match effect:
            case PartialText():
                return self._partial(effect)
            case FinalText():
                return self._concluded(effect)
            case QuickFinal():
                return self._final(effect.so_far, provisional=True)
            case SpeechBegan():
                return SpeechStartedEvent(
                    session_id=self.session_id,
                    stream_id=self.stream_id,
                    utterance_id=effect.utterance_id,
                    at_ms=samples_to_ms(effect.at_sample),
                )
            case SpeechOver():
                return SpeechEndedEvent(
                    session_id=self.session_id,
                    stream_id=self.stream_id,
                    utterance_id=effect.utterance_id,
                    at_ms=samples_to_ms(effect.at_sample),
                    reason=effect.reason.value,
                )
            case DecodeProblem():
                return self._problem(effect)

    def _partial(self, partial: PartialText) -> RealtimeTranscription:
        return RealtimeTranscription(
            text=partial.text,
            timestamp=timestamp(self.wall_clock()),
            session_id=self.session_id,
            stream_id=self.stream_id,
            speaker=optional(self.speaker),
            utterance_id=partial.utterance_id,
            revision=partial.revision,
            stable_text=partial.stable_text,
            start_ms=samples_to_ms(partial.start_sample),
            end_ms=samples_to_ms(partial.end_sample),
            model_id=partial.model_id,
        )

    def _concluded(self, final: FinalText) -> FinalTranscription | None:
        if not final.silent:
            return self._final(final)
        return self._final(final, provisional=False) if final.revises else None

    def _final(self, final: FinalText, provisional: bool | UnsetType = UNSET) -> FinalTranscription:
        duration_s = (final.end_sample - final.start_sample) / SAMPLE_RATE_HZ
        decode_s = max(final.decode_s, 0.001)
        return FinalTranscription(
            text=final.text,
            duration=round(duration_s, 2),
            processing_time=round(decode_s, 3),
            speed_ratio=round(duration_s / decode_s, 1),
            model=self.repo_of(final.model_id),
            timestamp=timestamp(self.wall_clock()),
            model_id=final.model_id,
            session_id=self.session_id,
            stream_id=self.stream_id,
            speaker=optional(self.speaker),
            utterance_id=final.utterance_id,
            revision=final.revision,
            start_ms=samples_to_ms(final.start_sample),
            end_ms=samples_to_ms(final.end_sample),
            confidence=final.confidence,
            end_reason=final.end_reason.value,
            reason=optional(final.reason),
            provisional=provisional,
        )

    def gap(
        self, start_sample: int, end_sample: int | None, problem: Problem, utterance_id: int | None
    ) -> Gap:
        """The event for audio that gets no final; `end_sample` None: all from the start on."""
        return Gap(
            session_id=self.session_id,
            stream_id=self.stream_id,
            start_ms=samples_to_ms(start_sample),
            end_ms=UNSET if end_sample is None else samples_to_ms(end_sample),
            utterance_id=UNSET if utterance_id is None else utterance_id,
            reason=problem.code,
            message=problem.message,
        )

    def _problem(self, problem: DecodeProblem) -> ErrorEvent:
        what = "an utterance" if problem.kind is DecodeKind.FINAL else "a partial"
        return ErrorEvent(
            code=problem.code,
            message=f"{what} could not be recognised: {problem.message}",
            session_id=self.session_id,
            stream_id=self.stream_id,
            utterance_id=problem.utterance_id if problem.kind is DecodeKind.FINAL else UNSET,
        )
