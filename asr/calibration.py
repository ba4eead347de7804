"""What decodes cost on this machine, and how a model is used there. Pure.

Few short trials of fixed work are timed after a model is loaded, the cheapest first: where one
shows that the costlier ones could change nothing, they are left out, so that a large model on a
slow machine does not spend half a minute on finding out that it is slow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asr.engine import EngineInfo, TrialLoad
from asr.features import context_frames
from asr.types import ModelSpec, Profile
from audio.types import SAMPLE_RATE_HZ

TRIAL_SPEECH_S: Final = 5
"""A usual sentence."""
TRIAL_TOKENS: Final = 55
"""What is said in it: a reader's 13 Thai characters a second at 0.85 tokens each."""
BEAM: Final = 5

ACCURATE_LIMIT_S: Final = 0.7
"""A final that takes longer is felt as a delay after the last word. With beams every final takes
a worker for this long, so there must be another one, or a GPU, for the partials meanwhile."""
BALANCED_LIMIT_S: Final = 1.5
"""BALANCED decodes about every fourth utterance again, as ACCURATE does: the delay of those, on
top of the first decode."""

ACCURATE_FACTOR: Final = 1.5
"""Of a quick decode, what one with a beam and a wide context takes (Whisper base, CPU: 1.4)."""

PARTIAL_SHARE: Final = 0.85
"""Of one worker's time, for a partial of 5 s: partials hear half of that on the average, so those
of one stream take less than half a worker. The rest is for finals and others."""
FIRST_PARTIAL_SHARE: Final = 0.25
"""Of what a partial of 5 s costs: the first hears a second or so and has few tokens."""
INTERVAL_STEP_MS: Final = 100
LONGEST_INTERVAL_MS: Final = 10_000

KEEPING_UP: Final = 0.8
"""Of the speech's own time, which a final may take: trials are short, a machine gets warm."""

REPEAT_BUDGET_S: Final = 1.5
MAX_REPEATS: Final = 2
"""Quick trials are repeated and the quickest counts: whatever else runs, and memory that is used
for the first time, only make it slower."""
BATCH_LIMIT_S: Final = 2.0
"""The longest that a batch may be feared to take (its items one by one) and yet be tried."""


class Trial(Enum):
    """A decode that is timed, in this order: each costs more than those before."""

    PARTIAL = "partial"
    ACCURATE = "accurate"
    BATCH = "batch"


TrialTimes = Mapping[Trial, Sequence[float]]
"""Seconds of each time that a trial was made."""


@dataclass(frozen=True, slots=True)
class DecodeCosts:
    """Wall seconds of one decode of 5 s of speech. None: not tried, as it could change nothing."""

    partial_s: float
    """A partial, or a quick final: context cut to the audio, greedy, alone."""
    accurate_s: float | None = None
    """A final that must be right: the model's wide margin, beam 5, alone."""
    batch_s: float | None = None
    """As `partial_s`, a whole batch of the largest size in use."""


def next_trial(taken: TrialTimes, info: EngineInfo) -> Trial | None:
    """What to time next, None when enough is known."""
    for trial in Trial:
        times = taken.get(trial, ())
        if not times:
            if _worth_trying(trial, taken, info):
                return trial
        elif len(times) < MAX_REPEATS and sum(times) + min(times) <= REPEAT_BUDGET_S:
            return trial
    return None


def _worth_trying(trial: Trial, taken: TrialTimes, info: EngineInfo) -> bool:
    costs = costs_of(taken)
    if costs is None:
        return trial is Trial.PARTIAL
    match trial:
        case Trial.PARTIAL:
            return True
        case Trial.ACCURATE:
            return costs.partial_s <= BALANCED_LIMIT_S
        case Trial.BATCH:
            return 1 < info.max_batch <= BATCH_LIMIT_S / costs.partial_s


def load_of(trial: Trial, spec: ModelSpec, max_batch: int) -> TrialLoad:
    """The work of a trial."""
    accurate = trial is Trial.ACCURATE
    margin_ms = spec.wide_margin_ms if accurate else spec.context_margin_ms
    return TrialLoad(
        frames=context_frames(TRIAL_SPEECH_S * SAMPLE_RATE_HZ, margin_ms),
        batch=max_batch if trial is Trial.BATCH else 1,
        beam_size=BEAM if accurate else 1,
        new_tokens=TRIAL_TOKENS,
    )


def costs_of(taken: TrialTimes) -> DecodeCosts | None:
    """The quickest of each trial, None before the first."""
    best = {trial: min(times) for trial, times in taken.items() if times}
    if Trial.PARTIAL not in best:
        return None
    return DecodeCosts(best[Trial.PARTIAL], best.get(Trial.ACCURATE), best.get(Trial.BATCH))


@dataclass(frozen=True, slots=True)
class PaceWishes:
    """What the operator set. A `profile` of None is chosen by measurement."""

    profile: Profile | None
    first_partial_ms: int
    partial_interval_ms: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How a model is used on this machine, and what it costs (None: it could not be measured)."""

    profile: Profile
    first_partial_ms: int
    partial_interval_ms: int
    costs: DecodeCosts | None
    keeps_up: bool
    """A final takes less time than the speech it is of."""
    by_measurement: bool = False
    """The profile is."""


def choose(costs: DecodeCosts | None, info: EngineInfo, wishes: PaceWishes) -> Pace:
    """Profile and cadence for a model. What could not be measured changes no setting."""
    if costs is None:
        return Pace(
            wishes.profile or Profile.BALANCED,
            wishes.first_partial_ms,
            wishes.partial_interval_ms,
            costs=None,
            keeps_up=True,
        )
    profile = wishes.profile or _profile(costs, info)
    affordable_ms = min(LONGEST_INTERVAL_MS, _whole_steps_ms(costs.partial_s / PARTIAL_SHARE))
    interval_ms = max(wishes.partial_interval_ms, affordable_ms)
    # a partial of less speech than its own decode takes would be old when it is shown
    ready_ms = min(interval_ms, round(1_000 * costs.partial_s * FIRST_PARTIAL_SHARE))
    return Pace(
        profile,
        max(wishes.first_partial_ms, ready_ms),
        interval_ms,
        costs,
        keeps_up=final_s(costs, profile) <= KEEPING_UP * TRIAL_SPEECH_S,
        by_measurement=wishes.profile is None,
    )


def final_s(costs: DecodeCosts, profile: Profile) -> float:
    """What a final of 5 s of speech takes (a doubtful one, in BALANCED).

    A trial that was left out is estimated.
    """
    accurate_s = costs.accurate_s or ACCURATE_FACTOR * costs.partial_s
    match profile:
        case Profile.FAST:
            return costs.partial_s
        case Profile.BALANCED:
            return costs.partial_s + accurate_s
        case Profile.ACCURATE:
            return accurate_s


def _profile(costs: DecodeCosts, info: EngineInfo) -> Profile:
    if costs.accurate_s is None or costs.accurate_s > BALANCED_LIMIT_S:
        return Profile.FAST
    may_be_accurate = info.workers > 1 or info.device == "cuda"
    if may_be_accurate and costs.accurate_s <= ACCURATE_LIMIT_S:
        return Profile.ACCURATE
    return Profile.BALANCED


def _whole_steps_ms(seconds: float) -> int:
    """Rounded up; to the millisecond first, so that 0.3 / 0.1 is 3 steps."""
    return INTERVAL_STEP_MS * math.ceil(round(1_000 * seconds) / INTERVAL_STEP_MS)


def in_words(pace: Pace, max_batch: int) -> str:
    """The costs and the cadence in one plain line."""
    every = f"a partial every {pace.partial_interval_ms / 1_000:.1f} s"
    costs = pace.costs
    if costs is None:
        return f"speed not measured; {every}"
    parts = [f"{TRIAL_SPEECH_S} s of speech takes {costs.partial_s:.2f} s"]
    for seconds, how in (
        (costs.accurate_s, f"with beam {BEAM} and a wide context"),
        (costs.batch_s, f"in a batch of {max_batch}"),
    ):
        if seconds is not None:
            parts.append(f"{seconds:.2f} s {how}")
    return f"{', '.join(parts)}; {every}"


def warning(model_id: str, pace: Pace) -> str | None:
    """What to tell the operator of a model that this machine is too slow for."""
    if pace.keeps_up or pace.costs is None:
        return None
    remedy = "a smaller model (whisper-base is the smallest) or a GPU"
    if pace.profile is not Profile.FAST:
        remedy = f"--profile fast, {remedy}"
    return (
        f"{model_id} is too slow for this machine: {TRIAL_SPEECH_S} s of speech takes "
        f"{final_s(pace.costs, pace.profile):.1f} s or more, so text comes later and later; "
        f"use {remedy}"
    )
