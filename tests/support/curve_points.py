"""Points and clips for the tests of the batch curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audio.types import SAMPLE_RATE_HZ
from benchmarks.curve_measure import Spoken
from benchmarks.curve_points import Axis, Point, Setting, Spread
from benchmarks.dataset import Clip


def point(
    axis: Axis = Axis.SPEED,
    *,
    batch: int = 1,
    shape: tuple[int, int] = (2, 1),
    margin_ms: int | None = 1_500,
    beam: int = 1,
    cpu: float = 0.1,
    wall: float = 0.1,
    cer: float = 0.3,
) -> Point:
    """A point whose costs did not vary."""
    return Point(
        setting=Setting(axis, batch, *shape, margin_ms, beam),
        utterances=16,
        repeats=3,
        cpu_s_per_speech_s=Spread(cpu, cpu, cpu),
        wall_s_per_utterance=Spread(wall, wall, wall),
        decode_s=Spread(0.1, 0.1, 0.1),
        peak_rss_mb=300.0,
        cer=cer,
        cer_difference=0.0,
        cer_interval=(0.0, 0.0),
    )


def spoken(name: str, seconds: float, text: str = "กขคง") -> Spoken:
    """A clip of a steady tone; its pitch goes with its length."""
    times_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    audio = np.sin(2 * np.pi * (200 + 40 * seconds) * times_s).astype(np.float32)
    return Spoken(Clip(name, Path(f"{name}.wav"), text, seconds, {}), audio)
