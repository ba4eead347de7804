"""Voice detectors: how likely it is that someone speaks in a 512-sample window."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from audio.types import WINDOW_SAMPLES, AudioError, Samples

Windows: TypeAlias = npt.NDArray[np.float32]
"""Shape (n, 512), float32 in [-1, 1]: consecutive windows of one stream."""

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""Shape (n,), in [0, 1]."""

CONTEXT_SAMPLES = 64
"""Silero hears each window together with the end of the one before."""

STATE_SHAPE = (1, 1, 128)
MAX_SEQUENCE = 16
"""Windows in one call of the model: half a second."""


class VoiceDetector(Protocol):
    """One stream's detector: windows in order, without gaps."""

    def probability(self, window: Samples) -> float:
        """Probability of speech in exactly 512 samples."""

    def probabilities(self, windows: Windows) -> Probabilities:
        """The same numbers for several windows at once."""

    def reset(self) -> None:
        """Forget the past: the next window begins a new piece of audio."""


def silero_path() -> Path:
    """The ONNX file that faster-whisper ships, found without the slow import of the package.

    Raises AudioError `vad_failed`.
    """
    spec = importlib.util.find_spec("faster_whisper")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        for path in sorted((Path(folder) / "assets").glob("silero_vad_v*.onnx")):
            return path
    raise AudioError("vad_failed", "faster-whisper's Silero model file is missing: reinstall it")


class SileroModel:
    """Silero VAD's weights: one for all streams and threads, stateless.

    Source: https://github.com/snakers4/silero-vad, in the form of faster-whisper 1.2, whose
    graph takes a sequence of windows. Raises AudioError `vad_failed`.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or silero_path()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise AudioError("vad_failed", f"cannot load {path}: {error}") from error
        inputs = [entry.name for entry in self._session.get_inputs()]
        if inputs != ["input", "h", "c"]:
            raise AudioError("vad_failed", f"{path} takes {inputs}, not a window, h and c")
        self.max_sequence = MAX_SEQUENCE if self._sequences_are_exact() else 1

    def run(
        self,
        framed: npt.NDArray[np.float32],
        h: npt.NDArray[np.float32],
        c: npt.NDArray[np.float32],
    ) -> tuple[Probabilities, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of `framed` (n, 64 + 512) and the state after them.

        Raises AudioError `vad_failed`.
        """
        try:
            found, h, c = self._session.run(None, {"input": framed, "h": h, "c": c})
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise AudioError("vad_failed", f"the voice detector failed: {error}") from error
        if len(found) != len(framed) or not np.isfinite(found).all():
            raise AudioError("vad_failed", "the voice detector gave no probability")
        return found, h, c

    def _sequences_are_exact(self) -> bool:
        """Whether a sequence gives, bit for bit, what its windows give one by one.

        A sequence costs a third, but events may not depend on how audio was cut. Which kernels
        run depends on the processor and on shapes, not on the samples, so a trial settles it.
        """
        generator = np.random.default_rng(0)
        shape = (MAX_SEQUENCE, CONTEXT_SAMPLES + WINDOW_SAMPLES)
        framed = (0.1 * generator.standard_normal(shape)).astype(np.float32)
        zero = np.zeros(STATE_SHAPE, np.float32)
        h, c = zero, zero
        singles = []
        for count in range(1, MAX_SEQUENCE + 1):
            single, h, c = self.run(framed[count - 1 : count], h, c)
            singles.append(single)
            found, *state = self.run(framed[:count], zero, zero)
            if not np.array_equal(found, np.concatenate(singles)):
                return False
            if not (np.array_equal(state[0], h) and np.array_equal(state[1], c)):
                return False
        return True


class SileroDetector:
    """Silero on one stream: owns the recurrent state, shares the weights."""

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._h = np.zeros(STATE_SHAPE, np.float32)
        self._c = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)

    def probability(self, window: Samples) -> float:
        """Probability of speech in exactly 512 samples. Raises AudioError `vad_failed`."""
        return float(self.probabilities(window[np.newaxis])[0])

    def probabilities(self, windows: Windows) -> Probabilities:
        """Probability of speech in each window. Raises AudioError `vad_failed`."""
        found = np.empty(len(windows), np.float32)
        step = self._model.max_sequence
        for start in range(0, len(windows), step):
            part = windows[start : start + step]
            found[start : start + step] = self._advance(part)
        return found

    def _advance(self, windows: Windows) -> Probabilities:
        framed = np.empty((len(windows), CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        framed[:, CONTEXT_SAMPLES:] = windows
        framed[0, :CONTEXT_SAMPLES] = self._context
        framed[1:, :CONTEXT_SAMPLES] = windows[:-1, -CONTEXT_SAMPLES:]
        found, self._h, self._c = self._model.run(framed, self._h, self._c)
        self._context = windows[-1, -CONTEXT_SAMPLES:].copy()
        return found


class EnergyDetector:
    """Speech is what is loud: 1 for windows whose RMS reaches `threshold`, else 0."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def reset(self) -> None:
        """Nothing to forget."""

    def probability(self, window: Samples) -> float:
        """1.0 or 0.0 for exactly 512 samples."""
        power = float(np.mean(np.square(window, dtype=np.float64)))
        return 1.0 if power >= self._threshold**2 else 0.0

    def probabilities(self, windows: Windows) -> Probabilities:
        """1.0 or 0.0 for each window."""
        return np.array([self.probability(window) for window in windows], np.float32)
