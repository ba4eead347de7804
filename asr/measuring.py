"""Times the trials of `asr.calibration` on a loaded engine (blocking; for the model thread)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from asr.calibration import DecodeCosts, Trial, costs_of, load_of, next_trial
from asr.engine import Engine, EngineError, TrialTime
from asr.types import ModelSpec

logger = logging.getLogger(__name__)

LAST_BEGIN_S: Final = 2.0
"""No trial begins after this: on a busy machine even quick ones may take long."""

QUIET_CPU_SHARE: Final = 0.8
"""A decode on a processor of its own uses nearly all its wall time there; with less, other
programs took the processor meanwhile."""
MORE_THREADS: Final = 0.5
"""A decode uses no more than its threads; with this much more, other decodes ran beside it."""


CPU_TIMED_S: Final = 0.2
"""Shorter trials count by the wall clock: a CPU clock may tick only every 16 ms (Windows)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found. `undisturbed`: good enough to be kept for later starts."""

    costs: DecodeCosts | None
    undisturbed: bool


def measure(engine: Engine, spec: ModelSpec, threads: int) -> Measurement:
    """Time as many trials as are of use. Never raises: a trial that fails is the last.

    `threads` is what one decode runs on.
    """
    info = engine.info
    taken: dict[Trial, list[float]] = {}
    wall_s = cpu_s = 0.0
    while wall_s < LAST_BEGIN_S and (trial := next_trial(taken, info)) is not None:
        try:
            time = engine.time_decode(load_of(trial, spec, info.max_batch))
        except EngineError as error:
            logger.warning("model %s: trial %s failed: %s", info.model_id, trial.value, error)
            return Measurement(costs_of(taken), undisturbed=False)
        wall_s += time.wall_s
        cpu_s += time.cpu_s
        taken.setdefault(trial, []).append(_own_s(time))
    quiet = QUIET_CPU_SHARE * wall_s <= cpu_s <= (threads + MORE_THREADS) * wall_s
    return Measurement(costs_of(taken), undisturbed=quiet)


def _own_s(time: TrialTime) -> float:
    # where the CPU seconds are fewer it waited for other programs, which says nothing of the
    # machine or the model
    return time.wall_s if time.wall_s < CPU_TIMED_S else min(time.wall_s, time.cpu_s)
