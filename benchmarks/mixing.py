"""Speech in noise at a chosen ratio of their levels. Pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.dataset import Pcm16
from benchmarks.offline import frame_power, voiced_mask

PAD_SAMPLES = 24_000
"""Noise alone before and after the speech: 1.5 s, in which a denoiser can learn it."""
PEAK = 32_000.0


def voiced_power(samples: Pcm16) -> float:
    """Mean square of a recording's voiced frames."""
    return float(frame_power(samples)[voiced_mask(samples)].mean())


def looped(noise: Pcm16, offset: int, length: int) -> npt.NDArray[np.float64]:
    """`length` samples of a recording that repeats without end, from `offset` on."""
    return np.take(noise, np.arange(offset, offset + length), mode="wrap").astype(np.float64)


def at_power(noise: npt.NDArray[np.float64], power: float) -> npt.NDArray[np.float64]:
    """The noise with this mean square."""
    return np.asarray(noise * np.sqrt(power / np.square(noise).mean()))


def to_pcm(samples: npt.NDArray[np.float64]) -> Pcm16:
    """16-bit samples; what would clip is made quieter as a whole."""
    peak = float(np.abs(samples).max(initial=0.0))
    return np.asarray(np.round(samples * min(1.0, PEAK / max(peak, 1.0)))).astype(np.int16)


def mix(speech: Pcm16, noise: Pcm16 | None, snr_db: float, offset: int) -> Pcm16:
    """Speech with 1.5 s before and after it, in noise `snr_db` below its voiced frames.

    The noise's level is taken over the whole result. Without noise the padding is silent.
    """
    padded = np.pad(speech.astype(np.float64), PAD_SAMPLES)
    if noise is None:
        return to_pcm(padded)
    power = voiced_power(speech) / 10 ** (snr_db / 10)
    return to_pcm(padded + at_power(looped(noise, offset, len(padded)), power))
