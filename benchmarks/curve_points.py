"""What a sweep measured, and which settings follow from it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum

NEAR = 0.05
"""Costs that differ by less than this share of the lowest are taken for equal."""

NEAR_CER = 0.01
"""A margin may have this much more CER than the best one."""

CUT_LOSS_CER = 0.10
"""A model that loses more than this in every cut context is not made for one."""

FULL_WINDOW_MS = 30_000
"""The context margin that makes every context Whisper's full window."""


class Axis(Enum):
    """What is varied, on which clips."""

    CONTEXT = "context"
    """Margin and beam, one utterance at a time, over all clips."""
    SPEED = "speed"
    """Batch size, workers and threads, over clips of one length bucket."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range over repeats."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination to measure. `margin_ms` is None for the full window."""

    axis: Axis
    batch: int
    workers: int
    threads: int
    margin_ms: int | None
    beam: int

    def __str__(self) -> str:
        margin = "full window" if self.margin_ms is None else f"margin {self.margin_ms} ms"
        shape = f"{self.workers} workers x {self.threads} threads"
        return f"batch {self.batch}, {shape}, {margin}, beam {self.beam}"


@dataclass(frozen=True, slots=True)
class Point:
    """What a setting cost and how well it heard.

    A speech second is a second of a clip. CPU seconds are the process's, features included. Wall
    seconds per utterance are the whole run's over its utterances; `decode_s` is what a batch took.
    `peak_rss_mb` is the first repeat's. CER differences are to the full window with beam 5 on the
    same clips, with their 95 % interval.
    """

    setting: Setting
    utterances: int
    repeats: int
    cpu_s_per_speech_s: Spread
    wall_s_per_utterance: Spread
    decode_s: Spread
    peak_rss_mb: float
    cer: float
    cer_difference: float
    cer_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class MarginChoice:
    """The margin for one beam. `loss` is its CER above the full window's with that beam."""

    beam: int
    margin_ms: int
    cer: float
    loss: float | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Settings to use; None where nothing that can be chosen was measured."""

    num_workers: int | None
    batch_size: int | None
    context_margin_ms: int | None
    margins: tuple[MarginChoice, ...]
    utterances: int = 0
    """Heard with each margin."""


def recommend(
    points: Sequence[Point], *, startable: Collection[tuple[int, int]], on_gpu: bool
) -> Recommendation:
    """The settings that the points speak for.

    `startable` holds the (workers, threads) that the server can be started with. The margin is
    that of the smallest beam, with which partials and fast finals are decoded.
    """
    speed = [p for p in points if p.setting.axis is Axis.SPEED]
    context = [p for p in points if p.setting.axis is Axis.CONTEXT]
    beams = sorted({p.setting.beam for p in context})
    margins = tuple(
        choice for beam in beams if (choice := choose_margin(context, beam)) is not None
    )
    return Recommendation(
        num_workers=choose_workers(speed, startable),
        batch_size=choose_batch(speed, on_gpu=on_gpu),
        context_margin_ms=margins[0].margin_ms if margins else None,
        margins=margins,
        utterances=min((p.utterances for p in context), default=0),
    )


def choose_workers(points: Sequence[Point], startable: Collection[tuple[int, int]]) -> int | None:
    """The workers with which most utterances get done at the largest batch.

    Of those about as fast, the ones that are fastest with one utterance in a decode.
    """
    fitting = [p for p in points if (p.setting.workers, p.setting.threads) in startable]
    if not fitting:
        return None
    smallest = min(p.setting.batch for p in fitting)
    largest = max(p.setting.batch for p in fitting)
    alone = {
        p.setting.workers: p.wall_s_per_utterance.median
        for p in fitting
        if p.setting.batch == smallest
    }
    loaded = [p for p in fitting if p.setting.batch == largest and p.setting.workers in alone]
    near = _near([(p, p.wall_s_per_utterance.median) for p in loaded])
    return min(near, key=lambda p: alone[p.setting.workers]).setting.workers if near else None


def choose_batch(points: Sequence[Point], *, on_gpu: bool) -> int | None:
    """The smallest batch that costs about as little as the best one.

    A cost is CPU time on a CPU and wall time on a GPU. Only the workers and threads with most
    batch sizes are looked at: the others were measured at the ends alone.
    """
    curves: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        curves.setdefault((point.setting.workers, point.setting.threads), []).append(point)
    if not curves:
        return None
    cost: Callable[[Point], float] = (
        (lambda p: p.wall_s_per_utterance.median)
        if on_gpu
        else (lambda p: p.cpu_s_per_speech_s.median)
    )
    curve = max(curves.values(), key=len)
    return min(p.setting.batch for p in _near([(p, cost(p)) for p in curve]))


def choose_margin(points: Sequence[Point], beam: int) -> MarginChoice | None:
    """The smallest margin with a CER near that of the best margin, for one beam.

    It is the full window where every cut context loses too much against it.
    """
    cers = {p.setting.margin_ms: p.cer for p in points if p.setting.beam == beam}
    full = cers.pop(None, None)
    cut = {margin_ms: cer for margin_ms, cer in cers.items() if margin_ms is not None}
    if not cut:
        return None
    best = min(cut.values())
    if full is not None and best - full > CUT_LOSS_CER:
        return MarginChoice(beam, FULL_WINDOW_MS, full, 0.0)
    margin_ms = min(margin_ms for margin_ms, cer in cut.items() if cer <= best + NEAR_CER)
    loss = None if full is None else cut[margin_ms] - full
    return MarginChoice(beam, margin_ms, cut[margin_ms], loss)


def _near(costs: Sequence[tuple[Point, float]]) -> list[Point]:
    lowest = min((cost for _, cost in costs), default=0.0)
    return [point for point, cost in costs if cost <= lowest * (1 + NEAR)]
