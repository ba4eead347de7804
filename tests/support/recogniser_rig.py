"""A stream recogniser with hand-fed speech events and a decoder that answers when told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from asr.effects import DecodeProblem, Effect, FinalText, PartialText, Retire, Submit
from asr.quality import FinalPolicy, QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import (
    DecodeDropped,
    DecodeFailed,
    DecodeKind,
    DecodeOptions,
    DecodeOutcome,
    DecodeRequest,
    DecodeResult,
    Hypothesis,
    Profile,
)
from asr.utterance import DecodeTuning
from audio.types import (
    WINDOW_SAMPLES,
    EndReason,
    FrontendItem,
    PcmBlock,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    ms_to_samples,
)

EffectT = TypeVar("EffectT")

TEXT = "สวัสดีครับ"
"""Not too fast for an utterance of half a second."""
GOOD_LOGPROB = -0.1
DOUBTFUL_LOGPROB = -0.8


@dataclass
class FakeLease:
    model_id: str
    releases: int = 0

    def release(self) -> None:
        self.releases += 1


def hypothesis(text: str, avg_logprob: float = GOOD_LOGPROB) -> Hypothesis:
    return Hypothesis(text, (1, 2, 3), avg_logprob, no_speech_prob=0.0, truncated=False)


def result(
    request: DecodeRequest, text: str = TEXT, avg_logprob: float = GOOD_LOGPROB
) -> DecodeResult:
    return DecodeResult(request, hypothesis(text, avg_logprob), 0.0, 0.25, 1)


def failed(request: DecodeRequest) -> DecodeFailed:
    return DecodeFailed(request, "decode_failed", "the engine broke")


def dropped(request: DecodeRequest) -> DecodeDropped:
    return DecodeDropped(request, "superseded")


@dataclass
class Rig:
    """Each sample of the audio is its own position, so that a request shows what it holds."""

    profile: Profile = Profile.FAST
    config: RecogniserConfig = field(default_factory=RecogniserConfig)
    decoder: Callable[[DecodeRequest], DecodeOutcome] | None = None
    """Answers every request at once; None: `open_requests` wait for `answer`."""
    model_id: str = "base"
    first_partial_ms: int = 600
    partial_interval_ms: int = 1_000
    glossary: str = ""

    def __post_init__(self) -> None:
        self.position = 0
        self.effects: list[Effect] = []
        self.open_requests: list[DecodeRequest] = []
        self.leases: list[FakeLease] = []
        tuning = DecodeTuning(
            FinalPolicy(self.profile, 1_500, glossary=self.glossary),
            DecodeOptions(glossary=self.glossary),
            self.first_partial_ms,
            self.partial_interval_ms,
        )
        self.recogniser = StreamRecogniser(
            stream_id="s",
            lease_model=self._lease,
            tuning_of=lambda model_id: tuning,
            gate=QualityGate(),
            config=self.config,
        )

    def _lease(self) -> FakeLease:
        self.leases.append(FakeLease(self.model_id))
        return self.leases[-1]

    # -- speech -------------------------------------------------------------------------------

    def audio(self, ms: float) -> None:
        """Whole detector windows, at least `ms`."""
        end = self.position + ms_to_samples(ms)
        while self.position < end:
            samples = np.arange(self.position, self.position + WINDOW_SAMPLES, dtype=np.float32)
            self.feed(PcmBlock(self.position, samples))
            self.position += WINDOW_SAMPLES

    def start(self, at_sample: int | None = None) -> None:
        start = self.position if at_sample is None else at_sample
        self.feed(SpeechStarted(start, self.position))

    def pause(self) -> None:
        self.feed(SpeechPaused(self.position))

    def resume(self) -> None:
        self.feed(SpeechResumed(self.position))

    def end(self, end_sample: int | None = None, reason: EndReason = EndReason.FLUSH) -> None:
        end = self.position if end_sample is None else end_sample
        self.feed(SpeechEnded(end, reason))

    def utterance(self, ms: float = 500) -> None:
        """A whole utterance that ends by flush."""
        self.start()
        self.audio(ms)
        self.end()

    def feed(self, item: FrontendItem) -> None:
        self.take(self.recogniser.feed((item,), now_s=self.position / 16_000))

    # -- decoding -----------------------------------------------------------------------------

    def answer(self, outcome: DecodeOutcome) -> None:
        self.open_requests.remove(outcome.request)
        self.take(self.recogniser.on_outcome(outcome, now_s=self.position / 16_000))

    def take(self, effects: list[Effect]) -> None:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Submit):
                self.open_requests.append(effect.request)
                if self.decoder is not None:
                    self.answer(self.decoder(effect.request))

    # -- what came of it ----------------------------------------------------------------------

    def of(self, kind: type[EffectT]) -> list[EffectT]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def submitted(self, kind: DecodeKind) -> list[DecodeRequest]:
        return [effect.request for effect in self.of(Submit) if effect.request.kind is kind]

    def retired(self) -> list[tuple[int, DecodeKind]]:
        return [(effect.utterance_id, effect.kind) for effect in self.of(Retire)]

    @property
    def partials(self) -> list[PartialText]:
        return self.of(PartialText)

    @property
    def terminals(self) -> list[FinalText | DecodeProblem]:
        """Terminal effects in the order in which they came."""
        return [
            effect
            for effect in self.effects
            if isinstance(effect, FinalText)
            or (isinstance(effect, DecodeProblem) and effect.kind is DecodeKind.FINAL)
        ]

    @property
    def final_texts(self) -> list[str]:
        return [final.text for final in self.of(FinalText)]


def span(request: DecodeRequest) -> tuple[int, int]:
    """The positions of a request's audio, which must be without a gap."""
    first, last = int(request.audio[0]), int(request.audio[-1])
    assert len(request.audio) == last - first + 1
    return first, last + 1
