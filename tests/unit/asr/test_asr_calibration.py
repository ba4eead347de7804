"""Which trials are worth their time, and what is made of their results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest

from asr.calibration import (
    MAX_REPEATS,
    DecodeCosts,
    Pace,
    PaceWishes,
    Trial,
    choose,
    costs_of,
    in_words,
    load_of,
    next_trial,
    warning,
)
from asr.engine import EngineInfo, TrialLoad
from asr.types import ModelFormat, ModelSpec, Profile

CPU = EngineInfo("m", "cpu", "int8", workers=4, max_batch=8)
ONE_WORKER = EngineInfo("m", "cpu", "int8", workers=1, max_batch=8)
GPU = EngineInfo("m", "cuda", "float16", workers=1, max_batch=8)

FAST_MACHINE = {Trial.PARTIAL: 0.06, Trial.ACCURATE: 0.4, Trial.BATCH: 0.3}
LAPTOP = {Trial.PARTIAL: 0.35, Trial.ACCURATE: 0.85, Trial.BATCH: 1.5}
SLOW_LAPTOP_MEDIUM = {Trial.PARTIAL: 6.5, Trial.ACCURATE: 24.0, Trial.BATCH: 40.0}
SPEC = ModelSpec(
    "m", "M", "", "a/m", ModelFormat.CT2, "fast", context_margin_ms=1_500, wide_margin_ms=4_000
)
NORMAL = PaceWishes(None, first_partial_ms=600, partial_interval_ms=1_000)


def run(machine: Mapping[Trial, float], info: EngineInfo) -> dict[Trial, list[float]]:
    """Every trial that the plan asks of a machine that takes exactly these times."""
    taken: dict[Trial, list[float]] = {}
    while (trial := next_trial(taken, info)) is not None:
        taken.setdefault(trial, []).append(machine[trial])
        assert len(taken[trial]) <= MAX_REPEATS
    return taken


def pace(machine: Mapping[Trial, float], info: EngineInfo, wishes: PaceWishes = NORMAL) -> Pace:
    return choose(costs_of(run(machine, info)), info, wishes)


def counts(machine: Mapping[Trial, float], info: EngineInfo) -> dict[Trial, int]:
    return {trial: len(times) for trial, times in run(machine, info).items()}


@pytest.mark.parametrize(
    ("machine", "info", "made"),
    [
        (FAST_MACHINE, CPU, {"PARTIAL": 2, "ACCURATE": 2, "BATCH": 2}),
        (FAST_MACHINE, GPU, {"PARTIAL": 2, "ACCURATE": 2, "BATCH": 2}),
        # a batch may take 2.8 s
        (LAPTOP, CPU, {"PARTIAL": 2, "ACCURATE": 1}),
        ({Trial.PARTIAL: 1.5, Trial.ACCURATE: 3.0}, CPU, {"PARTIAL": 1, "ACCURATE": 1}),
        ({Trial.PARTIAL: 1.51}, CPU, {"PARTIAL": 1}),
        (SLOW_LAPTOP_MEDIUM, CPU, {"PARTIAL": 1}),
    ],
)
def test_costly_trials_that_can_change_nothing_are_left_out(
    machine: Mapping[Trial, float], info: EngineInfo, made: dict[str, int]
) -> None:
    assert counts(machine, info) == {Trial[name]: count for name, count in made.items()}


def test_no_machine_spends_long_on_being_measured() -> None:
    """Whatever the model, a machine that decodes 5 s of speech in 6.5 s is done in 8."""
    for percent in range(1, 101):
        machine = {trial: took_s * percent / 100 for trial, took_s in SLOW_LAPTOP_MEDIUM.items()}
        assert sum(map(sum, run(machine, CPU).values())) < 8.0, percent


def test_an_engine_without_batches_is_not_tried_with_one() -> None:
    single = EngineInfo("m", "cpu", "int8", workers=4, max_batch=1)
    assert Trial.BATCH not in run(FAST_MACHINE, single)


def test_the_quickest_of_repeats_counts() -> None:
    assert costs_of({Trial.PARTIAL: [0.3, 0.2], Trial.ACCURATE: [0.9]}) == DecodeCosts(0.2, 0.9)
    assert costs_of({Trial.PARTIAL: []}) is None


def test_the_work_of_each_trial() -> None:
    assert load_of(Trial.PARTIAL, SPEC, 8) == TrialLoad(800, 1, 1, 55)
    assert load_of(Trial.ACCURATE, SPEC, 8) == TrialLoad(1_000, 1, 5, 55)
    assert load_of(Trial.BATCH, SPEC, 8) == TrialLoad(800, 8, 1, 55)
    full = dataclasses.replace(SPEC, context_margin_ms=500, wide_margin_ms=30_000)
    assert load_of(Trial.PARTIAL, full, 8).frames == 600
    assert load_of(Trial.ACCURATE, full, 8).frames == 3_000


@pytest.mark.parametrize(
    ("machine", "info", "profile", "cadence_ms", "keeps_up"),
    [
        (FAST_MACHINE, CPU, Profile.ACCURATE, (600, 1_000), True),
        (FAST_MACHINE, GPU, Profile.ACCURATE, (600, 1_000), True),
        (FAST_MACHINE, ONE_WORKER, Profile.BALANCED, (600, 1_000), True),
        (LAPTOP, CPU, Profile.BALANCED, (600, 1_000), True),
        ({**LAPTOP, Trial.ACCURATE: 1.5}, CPU, Profile.BALANCED, (600, 1_000), True),
        ({**LAPTOP, Trial.ACCURATE: 1.51}, CPU, Profile.FAST, (600, 1_000), True),
        ({**FAST_MACHINE, Trial.ACCURATE: 0.7}, CPU, Profile.ACCURATE, (600, 1_000), True),
        ({**FAST_MACHINE, Trial.ACCURATE: 0.71}, CPU, Profile.BALANCED, (600, 1_000), True),
        ({Trial.PARTIAL: 0.85, Trial.ACCURATE: 2.0}, CPU, Profile.FAST, (600, 1_000), True),
        ({Trial.PARTIAL: 0.86, Trial.ACCURATE: 2.0}, CPU, Profile.FAST, (600, 1_100), True),
        ({Trial.PARTIAL: 2.4}, CPU, Profile.FAST, (600, 2_900), True),
        ({Trial.PARTIAL: 3.0}, CPU, Profile.FAST, (750, 3_600), True),
        ({Trial.PARTIAL: 4.0}, CPU, Profile.FAST, (1_000, 4_800), True),
        ({Trial.PARTIAL: 4.1}, CPU, Profile.FAST, (1_025, 4_900), False),
        (SLOW_LAPTOP_MEDIUM, CPU, Profile.FAST, (1_625, 7_700), False),
        ({Trial.PARTIAL: 8.4}, CPU, Profile.FAST, (2_100, 9_900), False),
        ({Trial.PARTIAL: 8.6}, CPU, Profile.FAST, (2_150, 10_000), False),
        ({Trial.PARTIAL: 60.0}, CPU, Profile.FAST, (10_000, 10_000), False),
    ],
)
def test_what_is_chosen(
    machine: Mapping[Trial, float],
    info: EngineInfo,
    profile: Profile,
    cadence_ms: tuple[int, int],
    keeps_up: bool,
) -> None:
    chosen = pace(machine, info)
    assert chosen.profile is profile
    assert (chosen.first_partial_ms, chosen.partial_interval_ms) == cadence_ms
    assert chosen.keeps_up is keeps_up


def test_the_operators_settings_are_the_least() -> None:
    wishes = PaceWishes(Profile.FAST, first_partial_ms=5_000, partial_interval_ms=1_050)
    chosen = pace(FAST_MACHINE, CPU, wishes)
    assert chosen.profile is Profile.FAST
    assert (chosen.first_partial_ms, chosen.partial_interval_ms) == (5_000, 1_050)


def test_a_set_profile_may_be_too_much_where_a_lesser_one_is_not() -> None:
    costs = DecodeCosts(1.5, 5.0)
    kept = {
        profile: choose(costs, CPU, PaceWishes(profile, 600, 1_000)).keeps_up for profile in Profile
    }
    assert kept == {Profile.FAST: True, Profile.BALANCED: False, Profile.ACCURATE: False}


@pytest.mark.parametrize("profile", [None, *Profile])
def test_what_was_not_measured_changes_nothing(profile: Profile | None) -> None:
    chosen = choose(None, CPU, PaceWishes(profile, 700, 900))
    assert chosen.profile is (profile or Profile.BALANCED)
    assert (chosen.first_partial_ms, chosen.partial_interval_ms) == (700, 900)
    assert warning("m", chosen) is None
    assert in_words(chosen, 8) == "speed not measured; a partial every 0.9 s"


def test_the_line_and_the_warning_in_plain_words() -> None:
    assert in_words(pace(FAST_MACHINE, CPU), 8) == (
        "5 s of speech takes 0.06 s, 0.40 s with beam 5 and a wide context, 0.30 s in a batch of "
        "8; a partial every 1.0 s"
    )
    slow = pace(SLOW_LAPTOP_MEDIUM, CPU)
    assert in_words(slow, 8) == "5 s of speech takes 6.50 s; a partial every 7.7 s"
    said = warning("medium", slow)
    assert said is not None
    assert said.startswith("medium is too slow for this machine: 5 s of speech takes 6.5 s or more")
    assert "--profile fast" not in said
    accurate = pace(SLOW_LAPTOP_MEDIUM, CPU, PaceWishes(Profile.ACCURATE, 600, 1_000))
    assert "use --profile fast, a smaller model" in (warning("medium", accurate) or "")
    assert warning("base", pace(LAPTOP, CPU)) is None
