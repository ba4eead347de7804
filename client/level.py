"""How loud PCM16 audio is. Pure."""

from __future__ import annotations

import numpy as np

SILENCE_DB = -96.0


def level_db(pcm: bytes) -> float:
    """The RMS of a block of PCM16, in dB below full scale (0 is the loudest)."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    power = float(np.mean(np.square(samples))) if len(samples) else 0.0
    return SILENCE_DB if power < 1.0 else max(SILENCE_DB, 10 * float(np.log10(power / 32768**2)))
