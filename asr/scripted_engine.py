"""A deterministic engine for tests and for work on user interfaces: no model, real threads.

What it hears depends on the samples alone, in pieces of `SYLLABLE_MS` counted from the first
sample. So batching changes nothing, and the text of longer audio extends that of its beginning.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from asr.engine import EngineError, EngineInfo, Prepared, TrialLoad, TrialTime
from asr.types import DecodeRequest, Hypothesis
from audio.types import Samples, ms_to_samples

SYLLABLE_MS: Final = 200
VOICED_RMS: Final = 0.01
"""A piece is voiced above this; full scale is 1."""
GATE_LIMIT_S: Final = 30.0
QUICK_TRIAL: Final = TrialTime(wall_s=0.01, cpu_s=0.01)

_CONSONANTS: Final = "กขคงจชดตทนบปพมยรลวสหอ"
_VOWELS: Final = "ะาิีึืุู"
_STEP: Final = 37
"""Syllables apart of two pieces that sound alike: a steady tone must not read as a loop."""


class ScriptedEngine:
    """Says one syllable per voiced piece, or the next entry of `script`.

    `delay` gives the seconds that a decode sleeps, `gate` holds decodes until it is set, and a
    batch with a request that `fail_on` picks raises EngineError `scripted_failure`. `trial` is
    what `time_decode` answers, at once.
    """

    def __init__(
        self,
        model_id: str = "scripted",
        script: Sequence[str] | None = None,
        *,
        workers: int = 1,
        max_batch: int = 8,
        delay: Callable[[Sequence[Prepared]], float] | None = None,
        gate: threading.Event | None = None,
        fail_on: Callable[[DecodeRequest], bool] | None = None,
        trial: Callable[[TrialLoad], TrialTime] = lambda _: QUICK_TRIAL,
    ) -> None:
        self.info = EngineInfo(model_id, "cpu", "script", workers, max_batch)
        self.batches: list[tuple[DecodeRequest, ...]] = []
        """Every batch, in the order in which the decodes began."""
        self._script = script
        self._delay = delay
        self._gate = gate
        self._fail_on = fail_on
        self._trial = trial
        self._closed = False

    def prepare(self, request: DecodeRequest) -> Prepared:
        """Find the voiced pieces. Equal options share a batch."""
        self._check_open()
        return Prepared(request, request.options, _zero_crossings(request.audio))

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """Say what was heard."""
        self._check_open()
        requests = tuple(prepared.request for prepared in batch)
        self.batches.append(requests)
        if self._delay is not None:
            time.sleep(self._delay(batch))
        if self._gate is not None and not self._gate.wait(GATE_LIMIT_S):
            raise EngineError("gate_timeout", "nobody opened the gate")
        if self._fail_on is not None and any(map(self._fail_on, requests)):
            raise EngineError("scripted_failure", "the script says that this decode fails")
        return [self._hypothesis(prepared) for prepared in batch]

    def time_decode(self, load: TrialLoad) -> TrialTime:
        """What `trial` says, without the wait."""
        self._check_open()
        return self._trial(load)

    def close(self) -> None:
        """Refuse all further calls."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("engine_closed", f"{self.info.model_id} is closed")

    def _hypothesis(self, prepared: Prepared) -> Hypothesis:
        assert isinstance(prepared.features, list)
        sounds: list[int] = prepared.features
        if self._script is None:
            text = "".join(_syllable(sound, place) for place, sound in enumerate(sounds))
        else:
            text = "".join(self._script[: len(sounds)])
        if not text:
            return Hypothesis("", (), avg_logprob=-1.5, no_speech_prob=0.95, truncated=False)
        return Hypothesis(
            text, tuple(map(ord, text)), avg_logprob=-0.2, no_speech_prob=0.01, truncated=False
        )


def _zero_crossings(audio: Samples) -> list[int]:
    """Zero crossings of each voiced whole piece: a measure of its pitch."""
    length = ms_to_samples(SYLLABLE_MS)
    pieces = audio[: len(audio) // length * length].reshape(-1, length)
    voiced = pieces[np.sqrt(np.mean(np.square(pieces, dtype=np.float64), axis=1)) > VOICED_RMS]
    crossings: list[int] = np.count_nonzero(np.diff(np.signbit(voiced), axis=1), axis=1).tolist()
    return crossings


def _syllable(sound: int, place: int) -> str:
    index = (sound // 8 + place * _STEP) % (len(_CONSONANTS) * len(_VOWELS))
    return _CONSONANTS[index // len(_VOWELS)] + _VOWELS[index % len(_VOWELS)]
