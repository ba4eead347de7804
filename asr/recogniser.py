"""One stream's recogniser: front-end items and decode outcomes in, effects out. Pure.

Partials follow the audio clock: the first `first_partial_ms` after speech is detected, then one
every `partial_interval_ms`, never two at a time, so that a busy engine makes them rarer and never
late. A final decoded at a pause counts as a partial while speech may go on. Finals depend on
samples alone: an utterance's audio range is the endpointer's, and its decode may begin at the
pause before the endpoint is sure (the range is the same).
Every utterance opened gets exactly one terminal effect, in order.

`hurry` is for a server that ends: what is owed is decoded by the shortest way, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asr.effects import Effect, Retire, SpeechBegan, SpeechOver, Submit
from asr.final_decodes import FinalDecodes
from asr.partials import hear, partial_problem
from asr.quality import QualityGate
from asr.requests import RequestMaker
from asr.types import (
    DecodeDropped,
    DecodeFailed,
    DecodeKind,
    DecodeOutcome,
    DecodeRequest,
    DecodeResult,
)
from asr.utterance import LeaseModel, TuningOf, Utterance, UtteranceState
from audio.ring import RollingAudio
from audio.types import (
    EndReason,
    FrontendItem,
    PcmBlock,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    ms_to_samples,
)

QUIET_HISTORY_SAMPLES = ms_to_samples(8_000)
"""Kept while nobody speaks: an utterance may begin this far before it is detected (settings
allow 5 s of `min_speech_ms` behind 2 s of `pre_roll_ms`)."""

MAX_OVERTAKEN = 2
"""Finals that speech overtook, in flight: a slow model must not decode nothing else."""


@dataclass(frozen=True, slots=True)
class RecogniserConfig:
    """How one stream is recognised."""

    overlap_ms: int = 0
    """Audio repeated before a forced split; text said twice there is removed."""
    final_deadline_s: float = 1.0
    guess_deadline_s: float = 1.4
    """For a final decoded at a pause: what has ended goes first."""
    partial_deadline_s: float = 1.0


class StreamRecogniser:
    """The text side of one stream. `epoch` tells a reconnected stream from its past."""

    def __init__(
        self,
        *,
        stream_id: str,
        lease_model: LeaseModel,
        tuning_of: TuningOf,
        gate: QualityGate,
        config: RecogniserConfig,
        epoch: int = 0,
    ) -> None:
        self.stream_id = stream_id
        self._lease_model = lease_model
        self._tuning_of = tuning_of
        self._gate = gate
        self._config = config
        self._ring = RollingAudio()
        self._open: Utterance | None = None
        self._last_ended: Utterance | None = None
        self._utterances = 0
        self._requests = RequestMaker(stream_id, epoch)
        self._finals = FinalDecodes(self._requests, gate, config.final_deadline_s)
        self._in_haste = False

    @property
    def pending_finals(self) -> int:
        """Utterances that have ended and wait for their terminal effect."""
        return len(self._finals)

    @property
    def idle(self) -> bool:
        """Nothing is open and nothing is owed."""
        return self._open is None and not self._finals

    @property
    def heard_sample(self) -> int:
        """Up to here the stream's audio was taken in."""
        return self._ring.end_sample

    @property
    def owed_samples(self) -> int:
        """Audio of utterances without a terminal effect, as far as they have come."""
        open_from = self.heard_sample if self._open is None else self._open.start_sample
        return self._finals.owed_samples + self.heard_sample - open_from

    def feed(self, items: Iterable[FrontendItem], now_s: float) -> list[Effect]:
        """Take front-end items in order."""
        effects: list[Effect] = []
        for item in items:
            match item:
                case PcmBlock():
                    self._ring.append(item)
                    effects += self._partial_if_due(now_s)
                case SpeechStarted():
                    effects += self._begin(item)
                case SpeechPaused():
                    effects += self._guess_final(item.end_sample, now_s)
                case SpeechResumed():
                    effects += self._resume()
                case SpeechEnded():
                    effects += self._end(item, now_s)
        self._trim()
        return effects

    def nudge(self, now_s: float) -> list[Effect]:
        """The wire went quiet in mid-utterance: show what there is."""
        utterance = self._open
        if utterance is None or self._ring.end_sample <= utterance.partial_end_sample:
            return []
        utterance.partial_due_sample = self._ring.end_sample
        return self._partial_if_due(now_s)

    def on_outcome(self, outcome: DecodeOutcome, now_s: float) -> list[Effect]:
        """Take the outcome of a `Submit`. One of another epoch or utterance is ignored."""
        request = outcome.request
        utterance = self._find(request)
        if utterance is None:
            return []
        if request in utterance.partial_requests:
            return self._on_partial(utterance, outcome, now_s)
        if request is not utterance.final_request:
            return []
        if isinstance(outcome, DecodeResult):
            return self._on_final(utterance, outcome, now_s)
        if utterance.state is UtteranceState.OPEN:
            utterance.forget_final()
            return []
        return self._finals.on_no_result(utterance, outcome, now_s)

    def hurry(self) -> list[Effect]:
        """Decode what is owed by the shortest way, show no more partials, decode at no pause."""
        self._in_haste = True
        effects: list[Effect] = []
        if self._open is not None:
            effects.append(self._retire(self._open, DecodeKind.PARTIAL))
            effects += self._finals.hurry_one(self._open)
        return effects + self._finals.hurry()

    def give_up(self, code: str, message: str) -> list[Effect]:
        """Nothing is decoded any more: what is open ends, and every utterance owed is lost."""
        effects: list[Effect] = []
        if self._open is not None:
            utterance, self._open = self._open, None
            effects.append(self._close(utterance, self.heard_sample, EndReason.FLUSH))
        return effects + self._finals.give_up(code, message)

    def abandon(self) -> None:
        """Let go of every model held: the server ends, no more effects are wanted."""
        if self._open is not None:
            self._open.lease.release()
            self._open = None
        self._finals.abandon()

    # -- utterances ---------------------------------------------------------------------------

    def _begin(self, event: SpeechStarted) -> list[Effect]:
        self._utterances += 1
        previous = self._split_before(event.start_sample)
        overlap = 0 if previous is None else ms_to_samples(self._config.overlap_ms)
        lease = self._lease_model()
        tuning = self._tuning_of(lease.model_id)
        start = max(event.start_sample, self._ring.start_sample)
        self._open = Utterance(
            id=self._utterances,
            start_sample=start,
            audio_start_sample=max(start - overlap, self._ring.start_sample),
            lease=lease,
            tuning=tuning,
            partial_due_sample=event.detected_sample + ms_to_samples(tuning.first_partial_ms),
            predecessor=previous if overlap else None,
        )
        if self._in_haste:
            self._open.hurry()
        return [SpeechBegan(self._open.id, start)]

    def _split_before(self, start_sample: int) -> Utterance | None:
        """The utterance that a forced split ended where this one starts."""
        last = self._last_ended
        return last if last is not None and last.ends_at_split(start_sample) else None

    def _resume(self) -> list[Effect]:
        utterance = self._open
        if utterance is None:
            return []
        utterance.paused = False
        if utterance.early_result is None and utterance.final_request is not None:
            utterance.partial_requests.append(utterance.final_request)
        return self._drop_guess(utterance)

    def _drop_guess(self, utterance: Utterance) -> list[Effect]:
        """Speech went on: what was decoded at the pause is not the final."""
        had_guess = utterance.final_request is not None
        utterance.forget_final()
        return [self._retire(utterance, DecodeKind.FINAL)] if had_guess else []

    def _end(self, event: SpeechEnded, now_s: float) -> list[Effect]:
        utterance = self._open
        if utterance is None:
            return []
        self._open = None
        effects: list[Effect] = [self._close(utterance, event.end_sample, event.reason)]
        if utterance.partial_requests:
            utterance.partial_requests.clear()
            effects.append(self._retire(utterance, DecodeKind.PARTIAL))
        if utterance.final_end_sample != event.end_sample:
            effects += self._drop_guess(utterance)
        if utterance.final_request is None:
            wait_s = self._config.final_deadline_s
            effects.append(self._submit_final(utterance, event.end_sample, now_s, wait_s))
        elif utterance.early_result is not None:
            effects += self._on_final(utterance, utterance.early_result, now_s)
        return effects

    def _close(self, utterance: Utterance, end_sample: int, reason: EndReason) -> SpeechOver:
        self._last_ended = utterance
        utterance.end_sample = end_sample
        utterance.end_reason = reason
        self._finals.add(utterance)
        return SpeechOver(utterance.id, end_sample, reason)

    # -- partials -----------------------------------------------------------------------------

    def _partial_if_due(self, now_s: float) -> list[Effect]:
        utterance = self._open
        if (
            utterance is None
            or self._in_haste
            or utterance.paused
            or utterance.partial_requests
            or self._ring.end_sample < utterance.partial_due_sample
        ):
            return []
        end = self._ring.end_sample
        self._note_partial(utterance, end)
        wait_s = self._config.partial_deadline_s
        request = self._request(utterance, DecodeKind.PARTIAL, end, now_s, wait_s)
        utterance.partial_requests.append(request)
        return [Submit(request)]

    def _note_partial(self, utterance: Utterance, end_sample: int) -> None:
        """A decode up to here was asked for, whose text will be shown."""
        utterance.partial_end_sample = end_sample
        utterance.partial_due_sample = end_sample + ms_to_samples(
            utterance.tuning.partial_interval_ms
        )

    def _on_partial(
        self, utterance: Utterance, outcome: DecodeOutcome, now_s: float
    ) -> list[Effect]:
        utterance.partial_requests.remove(outcome.request)
        effects: list[Effect] = []
        match outcome:
            case DecodeFailed():
                effects.append(partial_problem(utterance, outcome))
            case DecodeResult():
                effects += self._show(utterance, outcome)
            case DecodeDropped() if not utterance.paused:
                utterance.partial_due_sample = self._ring.end_sample
        return effects + self._partial_if_due(now_s)

    def _show(self, utterance: Utterance, result: DecodeResult) -> list[Effect]:
        partial = hear(utterance, result, self._gate)
        return [] if partial is None else [partial]

    # -- finals -------------------------------------------------------------------------------

    def _guess_final(self, end_sample: int, now_s: float) -> list[Effect]:
        utterance = self._open
        if utterance is None:
            return []
        utterance.paused = True
        overtaken = sum(r.kind is DecodeKind.FINAL for r in utterance.partial_requests)
        if self._in_haste or overtaken >= MAX_OVERTAKEN:
            return []  # it is decoded at the end
        effects: list[Effect] = []
        if utterance.partial_requests:
            effects.append(self._retire(utterance, DecodeKind.PARTIAL))
        wait_s = self._config.guess_deadline_s
        effects.append(self._submit_final(utterance, end_sample, now_s, wait_s))
        self._note_partial(utterance, end_sample)
        return effects

    def _submit_final(
        self, utterance: Utterance, end_sample: int, now_s: float, wait_s: float
    ) -> Submit:
        request = self._request(utterance, DecodeKind.FINAL, end_sample, now_s, wait_s)
        utterance.final_request = request
        utterance.final_end_sample = end_sample
        return Submit(request)

    def _on_final(self, utterance: Utterance, result: DecodeResult, now_s: float) -> list[Effect]:
        if utterance.state is UtteranceState.OPEN:
            utterance.early_result = result
            return self._show(utterance, result)
        return self._finals.on_result(utterance, result, now_s)

    # -- requests -----------------------------------------------------------------------------

    def _request(
        self, utterance: Utterance, kind: DecodeKind, end_sample: int, now_s: float, wait_s: float
    ) -> DecodeRequest:
        end = min(end_sample, self._ring.end_sample)
        audio = self._ring.slice(utterance.audio_start_sample, end)
        return self._requests.of_utterance(utterance, kind, audio, now_s, wait_s)

    def _retire(self, utterance: Utterance, kind: DecodeKind) -> Retire:
        return self._requests.retire(utterance.id, kind)

    def _find(self, request: DecodeRequest) -> Utterance | None:
        if not self._requests.owns(request):
            return None
        if self._open is not None and self._open.id == request.utterance_id:
            return self._open
        return self._finals.find(request.utterance_id)

    def _trim(self) -> None:
        """Forget audio that no utterance can need: requests hold copies of theirs."""
        keep_from = self._ring.end_sample - QUIET_HISTORY_SAMPLES
        if self._open is not None:
            keep_from = self._open.audio_start_sample
        self._ring.drop_before(keep_from)
