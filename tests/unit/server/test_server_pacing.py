"""Measured once for each model and machine, kept, and chosen by the settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from asr.calibration import Pace
from asr.engine import TrialLoad, TrialTime
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelFormat, ModelSpec, Profile
from server.engines import Machine
from server.pacing import FOLDER, Pacer, cpu_name, pace_wishes
from server.settings import Settings

SPEC = ModelSpec("m", "M", "", "a/m", ModelFormat.CT2, "fast")
MACHINE = Machine("cpu", "int8", workers=2, threads_per_worker=1, max_batch=8)


class Bench:
    """A model folder, a cache folder, and an engine that takes 1.2 s, 1.3 s with a beam."""

    def __init__(self, tmp_path: Path) -> None:
        self.cache = tmp_path / "cache"
        self.folder: Path | None = tmp_path / "model"
        self.folder.mkdir()
        self.weights = self.folder / "model.bin"
        self.weights.write_bytes(b"weights")
        self.trials: list[TrialLoad] = []
        self.partial_s = 1.2
        self.cpu_share = 1.0

    def start(
        self, settings: Settings | None = None, spec: ModelSpec = SPEC, workers: int = 2
    ) -> Pace:
        """What a server's start with these settings chooses."""
        chosen = dataclasses.replace(settings or Settings(), cache_dir=str(self.cache))
        engine = ScriptedEngine(spec.id, workers=workers, trial=self._trial)
        return Pacer(chosen, MACHINE, lambda _: self.folder)(spec, engine)

    def _trial(self, load: TrialLoad) -> TrialTime:
        self.trials.append(load)
        took_s = self.partial_s if load.beam_size == 1 else 1.3
        return TrialTime(took_s, took_s * self.cpu_share)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_second_start_measures_nothing_and_chooses_the_same(bench: Bench) -> None:
    first = bench.start()
    assert (first.profile, first.partial_interval_ms) == (Profile.BALANCED, 1_500)
    assert len(bench.trials) == 2
    assert bench.start() == first
    assert len(bench.trials) == 2


def test_settings_choose_anew_from_what_was_measured(bench: Bench) -> None:
    bench.start()
    pace = bench.start(Settings(profile="accurate", partial_interval_ms=3_000))
    assert (pace.profile, pace.partial_interval_ms) == (Profile.ACCURATE, 3_000)
    assert len(bench.trials) == 2


def test_remeasure_measures_again_and_keeps_that(bench: Bench) -> None:
    bench.start()
    bench.start(Settings(remeasure=True))
    assert len(bench.trials) == 4
    bench.start()
    assert len(bench.trials) == 4


def test_another_file_or_machine_is_measured(bench: Bench) -> None:
    bench.start()
    bench.weights.write_bytes(b"other weights")
    bench.start()
    assert len(bench.trials) == 4
    bench.start(workers=3)
    assert len(bench.trials) == 6
    bench.start(spec=dataclasses.replace(SPEC, context_margin_ms=500))
    assert len(bench.trials) == 8


def test_what_was_measured_beside_other_work_is_used_and_not_kept(bench: Bench) -> None:
    bench.cpu_share = 0.75
    assert bench.start().partial_interval_ms == 1_100
    assert not (bench.cache / FOLDER).exists()
    bench.cpu_share = 1.0
    bench.trials.clear()
    bench.start()
    assert len(bench.trials) == 2
    assert len(list((bench.cache / FOLDER).iterdir())) == 1


def test_beside_other_work_no_profile_is_chosen_by_measurement(bench: Bench) -> None:
    bench.partial_s = 2.0
    quiet = bench.start()
    assert (quiet.profile, quiet.by_measurement) == (Profile.FAST, True)
    bench.cpu_share = 0.75
    busy = bench.start(Settings(remeasure=True))
    assert (busy.profile, busy.by_measurement) == (Profile.BALANCED, False)
    assert bench.start(Settings(remeasure=True, profile="fast")).profile is Profile.FAST


@pytest.mark.parametrize("nowhere", [True, False])
def test_a_model_that_is_no_file_is_measured_each_time(bench: Bench, nowhere: bool) -> None:
    bench.weights.unlink()
    if nowhere:
        bench.folder = None
    for _ in range(2):
        assert bench.start().partial_interval_ms == 1_500
    assert len(bench.trials) == 4
    assert not bench.cache.exists()


def test_a_cache_that_cannot_be_written_does_not_stop_the_server(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.cache.write_text("in the way", encoding="utf-8")
    assert bench.start().partial_interval_ms == 1_500
    assert "cannot be kept" in caplog.text


def test_a_model_that_cannot_keep_up_is_warned_of(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.partial_s = 6.0
    pace = bench.start()
    assert not pace.keeps_up
    assert len(bench.trials) == 1
    assert "m is too slow for this machine" in caplog.text


@pytest.mark.parametrize("profile", Profile)
def test_a_profile_that_is_set_is_wished_for(profile: Profile) -> None:
    assert pace_wishes(Settings(profile=profile.value)).profile is profile
    assert pace_wishes(Settings()).profile is None


def test_the_processor_has_a_name() -> None:
    assert cpu_name() == cpu_name() != ""
