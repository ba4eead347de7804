"""Audio through the real front end, recogniser and engine, without a server or a clock.

Finals depend on samples alone, so what comes out is what a server would say of the same audio.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from asr.catalogue import load_catalogue
from asr.ct2_engine import Ct2Engine
from asr.effects import Effect, FinalText, Retire, Submit
from asr.embedded_model import default_cache_dir, ensure_embedded_model
from asr.engine import Engine
from asr.quality import FinalPolicy, QualityGate, VerdictKind
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.thai_text import normalise
from asr.types import (
    DecodeKind,
    DecodeOptions,
    DecodeRequest,
    DecodeResult,
    Hypothesis,
    ModelSpec,
    Profile,
)
from asr.utterance import DecodeTuning
from audio.intake import AudioIntake
from audio.types import FrontendConfig, FrontendItem, SpeechEnded
from audio.vad import SileroModel
from benchmarks.dataset import Pcm16
from benchmarks.stream_metrics import FRAME_SAMPLES, VOICED_BELOW_PEAK_DB

MODEL_ID = "whisper-base"
CHUNK_BYTES = 3_200
"""100 ms of 16 kHz PCM16: what a client sends at a time."""
NEVER_MS = 3_600_000

Range = tuple[int, int]
"""Start and end of a stretch, in samples."""

Mask = npt.NDArray[np.bool_]
"""One entry for each 10 ms."""


def load_engine(workers: int) -> tuple[Engine, ModelSpec]:
    """Whisper base on the CPU, one thread a worker, and its entry in the catalogue."""
    spec = load_catalogue(Path(__file__).resolve().parent.parent / "models.yaml")[MODEL_ID]
    engine = Ct2Engine(
        ensure_embedded_model(default_cache_dir()),
        spec,
        device="cpu",
        compute_type="int8",
        workers=workers,
        threads_per_worker=1,
        max_batch=1,
    )
    return engine, spec


class RememberingDecoder:
    """Decodes one request at a time, equal audio with equal options only once. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._known: dict[tuple[bytes, DecodeOptions], Hypothesis] = {}

    def __call__(self, request: DecodeRequest) -> DecodeResult:
        """The request's result. Raises EngineError."""
        key = (hashlib.sha256(request.audio.tobytes()).digest(), request.options)
        with self._lock:
            hypothesis = self._known.get(key)
        if hypothesis is None:
            hypothesis = self._engine.decode([self._engine.prepare(request)])[0]
            with self._lock:
                self._known[key] = hypothesis
        return DecodeResult(request, hypothesis, queue_s=0.0, decode_s=0.0, batch_size=1)


@dataclass(frozen=True, slots=True)
class _Lease:
    model_id: str = MODEL_ID

    def release(self) -> None:
        """Nothing is held."""


class OfflineRecogniser:
    """A `StreamRecogniser` without partials, whose guesses are decoded only if they hold."""

    def __init__(
        self,
        decode: Callable[[DecodeRequest], DecodeResult],
        profile: Profile,
        spec: ModelSpec,
    ) -> None:
        self._decode = decode
        self._gate = QualityGate()
        self._wanted: DecodeRequest | None = None
        tuning = DecodeTuning(
            FinalPolicy.of_model(profile, spec),
            DecodeOptions(),
            first_partial_ms=NEVER_MS,
        )
        self._recogniser = StreamRecogniser(
            stream_id="offline",
            lease_model=_Lease,
            tuning_of=lambda _: tuning,
            gate=self._gate,
            config=RecogniserConfig(),
        )

    def feed(self, item: FrontendItem) -> list[FinalText]:
        """Take the next item; the finals it brings (each of them may be empty)."""
        finals = self._take(self._recogniser.feed((item,), now_s=0.0))
        while isinstance(item, SpeechEnded) and self._wanted is not None:
            request, self._wanted = self._wanted, None
            finals += self._take(self._recogniser.on_outcome(self._decode(request), now_s=0.0))
        return finals

    def text_at_pause(self) -> str:
        """What the open utterance says so far; "" where there is no pause or no speech."""
        if self._wanted is None:
            return ""
        request = self._wanted
        hypothesis = self._decode(request).hypothesis
        verdict = self._gate.judge(hypothesis, request.audio_s, request.audio_s)
        return "" if verdict.kind is VerdictKind.NO_SPEECH else normalise(hypothesis.text)

    def _take(self, effects: Iterable[Effect]) -> list[FinalText]:
        finals = []
        for effect in effects:
            match effect:
                case Submit():
                    self._wanted = effect.request
                case Retire(kind=DecodeKind.FINAL):
                    self._wanted = None
                case FinalText():
                    finals.append(effect)
        return finals


@dataclass(frozen=True, slots=True)
class Heard:
    """What a front end made of some audio. `cpu_s` is the CPU time of its thread."""

    items: tuple[FrontendItem, ...]
    cpu_s: float


def hear(samples: Pcm16, config: FrontendConfig, silero: SileroModel) -> Heard:
    """16 kHz audio through a new front end, 100 ms at a time, flushed at its end."""
    intake = AudioIntake(config, silero)
    data = samples.tobytes()
    items: list[FrontendItem] = []
    began_s = time.thread_time()
    for start in range(0, len(data), CHUNK_BYTES):
        items += intake.push(data[start : start + CHUNK_BYTES]).streams[0]
    items += intake.flush().streams[0]
    return Heard(tuple(items), time.thread_time() - began_s)


def voiced_mask(samples: Pcm16) -> Mask:
    """Which 10 ms frames are less than 35 dB below the loudest one."""
    power = frame_power(samples)
    loud: Mask = power > power.max(initial=0.0) * 10 ** (-VOICED_BELOW_PEAK_DB / 10)
    return loud


def frame_power(samples: Pcm16) -> npt.NDArray[np.float64]:
    """Mean square of each whole 10 ms frame, shape (n // 160,)."""
    usable = len(samples) - len(samples) % FRAME_SAMPLES
    frames = samples[:usable].reshape(-1, FRAME_SAMPLES).astype(np.float64)
    return np.asarray(np.square(frames).mean(axis=1))


def covered_mask(frames: int, ranges: Sequence[Range]) -> Mask:
    """Which of the first `frames` 10 ms frames have their middle in one of the ranges."""
    middles = np.arange(frames) * FRAME_SAMPLES + FRAME_SAMPLES // 2
    covered = np.zeros(frames, dtype=np.bool_)
    for start, end in ranges:
        covered |= (middles >= start) & (middles < end)
    return covered


def touches(one: Range, other: Range, at_least: int) -> bool:
    """Whether two stretches share more than `at_least` samples."""
    return min(one[1], other[1]) - max(one[0], other[0]) > at_least
