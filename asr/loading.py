"""From files to a model that answers: opened, warmed up, measured (blocking, in one thread)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from asr.calibration import TRIAL_SPEECH_S, Pace
from asr.engine import Engine, EngineError
from asr.loaded import Loaded, LoadMeasurement
from asr.memory_rule import FitVerdict
from asr.model_source import ModelSource
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, ModelSpec
from audio.types import SAMPLE_RATE_HZ

logger = logging.getLogger(__name__)


class TooSlowError(EngineError):
    """A model was measured and is too slow for who asked for it."""

    def __init__(self, message: str) -> None:
        super().__init__("too_slow", message)


class Loader:
    """Loads models, for the model thread.

    `pacer` says how a model is used here. `used_mb` is what this process takes of the device's
    memory, None where that cannot be known; `judge` whether a model fits beside `loaded_mb`.
    """

    def __init__(
        self,
        source: ModelSource,
        *,
        pacer: Callable[[ModelSpec, Engine], Pace],
        clock: Callable[[], float],
        used_mb: Callable[[], int | None],
        judge: Callable[[ModelSpec, int], FitVerdict],
    ) -> None:
        self._source = source
        self._pacer = pacer
        self._clock = clock
        self._used_mb = used_mb
        self._judge = judge

    def fit(self, spec: ModelSpec, loaded_mb: int) -> FitVerdict:
        """Whether there is room for a model beside those loaded."""
        return self._judge(spec, loaded_mb)

    def load(self, spec: ModelSpec, on_warming: Callable[[], None]) -> Loaded:
        """Open a model and find out how to use it; `on_warming` is called once it is in memory.

        Raises EngineError; nothing stays in memory then.
        """
        begun_s, before_mb = self._clock(), self._used_mb()
        needed_mb = self._judge(spec, 0).needed_mb
        engine = self._source.open(spec)
        try:
            on_warming()
            opened_s = self._clock()
            warm_up(engine)
            warm_s = self._clock()
            pace = self._pacer(spec, engine)
        except BaseException:
            engine.close()
            raise
        after_mb = self._used_mb()
        taken_mb = None
        if before_mb is not None and after_mb is not None:
            taken_mb = max(0, after_mb - before_mb)
        measurement = LoadMeasurement(
            load_s=self._clock() - begun_s,
            warm_up_s=warm_s - opened_s,
            memory_mb=taken_mb,
            rtf=pace.costs.partial_s / TRIAL_SPEECH_S if pace.costs else None,
        )
        logger.info("model %s: %s", spec.id, in_words(measurement))
        return Loaded(engine, pace, measurement, needed_mb)

    @staticmethod
    def discard(loading: Future[Loaded]) -> None:
        """Close what a load brought that nobody waits for any more."""
        if not loading.cancelled() and loading.exception() is None:
            loading.result().engine.close()


def in_words(measurement: LoadMeasurement) -> str:
    """What a load took, for people."""
    words = [f"loaded in {measurement.load_s:.1f} s (warm-up {measurement.warm_up_s:.2f} s)"]
    if measurement.memory_mb is not None:
        words.append(f"takes {measurement.memory_mb:,} MB")
    if measurement.rtf is not None:
        words.append(f"decodes at {measurement.rtf:.3f} of the speech's time")
    return ", ".join(words)


def warm_up(engine: Engine) -> None:
    """One decode of a second of faint noise, so that the first utterance is not the slowest."""
    noise = np.random.default_rng(0).normal(0.0, 1e-3, SAMPLE_RATE_HZ).astype(np.float32)
    request = DecodeRequest(
        request_id=0,
        stream_id="warm-up",
        epoch=0,
        utterance_id=0,
        revision=0,
        kind=DecodeKind.FINAL,
        audio=noise,
        options=DecodeOptions(max_new_tokens=8),
        model_id=engine.info.model_id,
        created_s=0.0,
        deadline_s=0.0,
    )
    engine.decode([engine.prepare(request)])
