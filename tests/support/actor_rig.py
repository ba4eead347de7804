"""An audio actor with a decoder that answers when told, and what came of its audio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from asr.effects import DecodeProblem, FinalText
from asr.quality import FinalPolicy, QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import (
    DecodeDropped,
    DecodeKind,
    DecodeOptions,
    DecodeOutcome,
    DecodeRequest,
    DecodeResult,
    Profile,
)
from asr.utterance import DecodeTuning
from audio.intake import AudioIntake, IntakeResult
from audio.types import AudioError, FrontendConfig, NoiseReduction, VadKind
from audio.vad import SileroModel
from server.actor import AudioActor, AudioBytes, EndAudio, Item, WireTimers
from server.inbox import Inbox
from server.presence import Presence
from server.presenter import News
from server.problem import Problem
from tests.support.recogniser_rig import FakeLease

CONFIG = FrontendConfig(
    vad=VadKind.ENERGY,
    min_speech_ms=128,
    end_silence_ms=400,
    soft_end_ms=1_500,
    hard_end_ms=2_500,
    noise_reduction=NoiseReduction.OFF,
)


@dataclass(frozen=True, slots=True)
class Range:
    """A piece of the stream and what it came to. `end` None: all that follows."""

    start: int
    end: int | None
    what: str


class FailingIntake(AudioIntake):
    """Its detector breaks when told."""

    broken = False

    def push(self, data: bytes) -> IntakeResult:
        if self.broken:
            raise AudioError("vad_failed", "the detector broke")
        return super().push(data)


class ActorRig:
    """One actor: its decoder, its listener and its audio."""

    def __init__(self, dsp: Executor, profile: Profile) -> None:
        self.ranges: list[Range] = []
        self.problems: list[Problem] = []
        self.open: list[tuple[DecodeRequest, Callable[[DecodeOutcome], None]]] = []
        self.leases: list[FakeLease] = []
        self.intake = FailingIntake(CONFIG, SileroModel())
        self._tuning = DecodeTuning(FinalPolicy(profile, 1_500), DecodeOptions())
        self.actor = AudioActor(
            intake=self.intake,
            inbox=Inbox[Item](600.0, lambda: None),
            make_recogniser=self._recogniser,
            decoder=self,
            dsp=dsp,
            listener=self,
            timers=WireTimers(60.0, 120.0),
            presence=Presence(matters=False),
            more_waits=lambda: False,
        )

    def _recogniser(self, index: int) -> StreamRecogniser:
        return StreamRecogniser(
            stream_id=str(index),
            lease_model=self._lease,
            tuning_of=lambda _: self._tuning,
            gate=QualityGate(),
            config=RecogniserConfig(),
        )

    def _lease(self) -> FakeLease:
        self.leases.append(FakeLease("base"))
        return self.leases[-1]

    # -- in -----------------------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        self.actor.inbox.put_now(AudioBytes(data, 0.0), len(data) / 32_000)

    def end(self, *, last: bool = False) -> asyncio.Event:
        ended = asyncio.Event()
        self.actor.inbox.put_now(EndAudio(lambda _: ended.set(), last=last))
        return ended

    def answer(self, index: int, make: Callable[[DecodeRequest], DecodeOutcome]) -> None:
        """Tell the outcome of one of the open requests, if there are any."""
        if self.open:
            request, deliver = self.open.pop(index % len(self.open))
            deliver(make(request))

    # -- Decoder and Listener -----------------------------------------------------------------

    def submit(self, request: DecodeRequest, deliver: Callable[[DecodeOutcome], None]) -> None:
        self.open.append((request, deliver))

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        for request, deliver in tuple(self.open):
            if (request.stream_id, request.utterance_id, request.kind) == (
                stream_id,
                utterance_id,
                kind,
            ):
                self.open.remove((request, deliver))
                outcome = DecodeDropped(request, "retired")
                asyncio.get_running_loop().call_soon(deliver, outcome)

    def on_news(self, stream_index: int, news: News) -> None:
        match news:
            case FinalText():
                self.ranges.append(Range(news.start_sample, news.end_sample, "final"))
            case DecodeProblem(kind=DecodeKind.FINAL):
                self.ranges.append(Range(news.start_sample, news.end_sample, news.code))

    def on_gap(
        self, stream_index: int, start_sample: int, end_sample: int | None, problem: Problem
    ) -> None:
        self.ranges.append(Range(start_sample, end_sample, problem.code))

    def on_problem(self, code: str, message: str) -> None:
        self.problems.append(Problem(code, message))

    def on_decoded(self, result: DecodeResult) -> None:
        pass

    def on_no_speech(self) -> None:
        pass

    def on_wire_silent(self) -> None:
        pass
