"""Whisper's log-mel features of an utterance, in a context cut to a bucket of its length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from audio.types import SAMPLE_RATE_HZ, Samples

HOP_SAMPLES = 160
FRAMES_PER_S = SAMPLE_RATE_HZ // HOP_SAMPLES
FULL_FRAMES = 3_000
"""Whisper's window: 30 s."""

WINDOW_SAMPLES = 400
"""What one frame is made of."""

QUIETEST = -10.0
"""Decades; the extractor takes nothing for quieter."""

BUCKET_FRAMES = 100
SHORT_FRAMES = 400
"""Contexts are whole seconds up to here and even ones beyond, so that utterances of about one
length share a batch.

No bucket may give as many encoder frames (half of these) as there are mel bands, 80 or 128:
CTranslate2 would take an encoder output of that shape for features and encode it again.
"""

Features: TypeAlias = npt.NDArray[np.float32]
"""Shape (n_mels, frames)."""


def context_frames(samples: int, margin_ms: int | None) -> int:
    """Frames of context for an utterance: its length plus a margin, up to a bucket.

    None is the full window. Depends on nothing but its arguments, so that a decode is the same
    whatever else is in its batch.
    """
    if margin_ms is None:
        return FULL_FRAMES
    wanted = samples / HOP_SAMPLES + margin_ms * FRAMES_PER_S / 1_000
    step = BUCKET_FRAMES if wanted <= SHORT_FRAMES else 2 * BUCKET_FRAMES
    return min(FULL_FRAMES, step * max(1, math.ceil(wanted / step)))


def log_mel(transform: Callable[..., Features], samples: Samples, frames: int) -> Features:
    """Features of 16 kHz audio followed by digital silence, shape (n_mels, `frames`).

    `transform` is faster-whisper's `FeatureExtractor`. The audio is padded and not, as
    faster-whisper does it, its features: Whisper and the models made from it were trained on
    padded audio, and in a cut context it makes a difference of 1 to 5 points of CER (Whisper
    base, loops aside). Audio beyond the context is cut off.

    In the full window these are faster-whisper's features of padded audio to the last bit (which
    int8 arithmetic makes heard). In a cut context silence is not transformed, its features are
    known: the floor that the extractor sets 8 decades below the loudest.
    """
    audio = samples[: frames * HOP_SAMPLES]
    if frames == FULL_FRAMES:
        padded = np.pad(audio, (0, FULL_FRAMES * HOP_SAMPLES - len(audio)))
        return transform(padded)[:, :FULL_FRAMES]
    tail = WINDOW_SAMPLES + -len(audio) % HOP_SAMPLES  # after it every window is silent
    spoken = transform(np.pad(audio, (0, tail)), padding=0)[:, :frames]
    floor = max(QUIETEST, float(spoken.max()) * 4.0 - 4.0 - 8.0)
    features = np.full((len(spoken), frames), (floor + 4.0) / 4.0, dtype=np.float32)
    features[:, : spoken.shape[1]] = spoken
    return features
