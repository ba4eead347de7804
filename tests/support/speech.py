"""Audio that the scripted engine understands: tones of changing pitch between silences."""

from __future__ import annotations

import numpy as np

from audio.types import Samples
from tests.support.audio_signals import silence, tone


def spoken(seconds: float, first_hz: float = 200.0, step_hz: float = 60.0) -> Samples:
    """Voiced audio whose pitch changes every 200 ms."""
    pieces = [tone(first_hz + index * step_hz, 0.2) for index in range(round(seconds / 0.2))]
    return np.concatenate(pieces)


def utterances(*seconds: float, first_hz: float = 200.0, pause_s: float = 1.0) -> Samples:
    """Several utterances, each followed by silence."""
    pieces = [silence(0.4)]
    for index, length in enumerate(seconds):
        pieces += [spoken(length, first_hz + 40 * index), silence(pause_s)]
    return np.concatenate(pieces)


def pcm16(samples: Samples) -> bytes:
    """16-bit little-endian bytes."""
    return np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()


def pieces(data: bytes, size: int) -> list[bytes]:
    """The same bytes in messages of `size`."""
    return [data[start : start + size] for start in range(0, len(data), size)]
