"""Whisper's log-mel features of an utterance, in a context cut to a bucket of its length."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from faster_whisper.feature_extractor import FeatureExtractor

from audio.types import SAMPLE_RATE_HZ, Samples

HOP_SAMPLES = 160
FRAMES_PER_S = SAMPLE_RATE_HZ // HOP_SAMPLES
FULL_FRAMES = 3_000
"""Whisper's window: 30 s."""

BUCKET_FRAMES = 100
"""Contexts are whole seconds, so that utterances of about one length share a batch."""

_TAIL_SAMPLES = 400
"""One analysis window: after it every frame of a zero-padded signal is silent."""

Features = npt.NDArray[np.float32]
"""Shape (n_mels, frames)."""


def context_frames(samples: int, margin_ms: int | None) -> int:
    """Frames of context for an utterance: its length plus a margin, up to a whole second.

    None is the full window. Depends on nothing but its arguments, so that a decode is the same
    whatever else is in its batch.
    """
    if margin_ms is None:
        return FULL_FRAMES
    wanted = samples / HOP_SAMPLES + margin_ms / 10
    return min(FULL_FRAMES, BUCKET_FRAMES * math.ceil(wanted / BUCKET_FRAMES))


class LogMel:
    """Features for one number of mel bands. Stateless; safe in several threads."""

    def __init__(self, n_mels: int) -> None:
        self._extractor = FeatureExtractor(feature_size=n_mels)

    def __call__(self, samples: Samples, frames: int) -> Features:
        """Features of 16 kHz audio followed by digital silence, (n_mels, frames).

        Equal to computing them over the padded signal, but silence is not transformed.
        Audio beyond the context is cut off.
        """
        audio = samples[: frames * HOP_SAMPLES]
        short = -(len(audio) + _TAIL_SAMPLES) % HOP_SAMPLES
        padded = np.pad(audio, (0, _TAIL_SAMPLES + short))
        spoken = np.asarray(self._extractor(padded, padding=0), dtype=np.float32)[:, :frames]
        floor = max(-10.0, float(spoken.max()) * 4.0 - 4.0 - 8.0)
        features = np.full((spoken.shape[0], frames), (floor + 4.0) / 4.0, dtype=np.float32)
        features[:, : spoken.shape[1]] = spoken
        return features
