"""Thai speech out of a package: a talking clock says times of day."""

from __future__ import annotations

import functools
import importlib.metadata
import random
from pathlib import Path

import av
import numpy as np

from audio.types import SAMPLE_RATE_HZ
from benchmarks.dataset import Pcm16

PAUSE_S = 1.0


@functools.cache
def word(name: str) -> Pcm16:
    """A word of the package `thai-talking-clock`: `begintime`, `hour`, a number ..."""
    files = importlib.metadata.files("thai-talking-clock") or ()
    path = next(file for file in files if Path(file.name).stem == name)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(path.locate())) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)]
    samples: Pcm16 = np.concatenate(parts)
    return samples


def times_of_day(seed: int, count: int = 3) -> Pcm16:
    """Some times, each an utterance, with pauses before, between and after."""
    chance = random.Random(seed)
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), np.int16)
    parts = [pause[: len(pause) // 2]]
    for _ in range(count):
        hour, minute = str(chance.randrange(1, 24)), str(chance.randrange(1, 60))
        parts += [word(name) for name in ("begintime", hour, "hour", minute, "minute")]
        parts.append(pause)
    return np.concatenate(parts)
