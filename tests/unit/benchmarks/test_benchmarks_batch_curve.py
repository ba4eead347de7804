from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.scripted_engine import ScriptedEngine
from benchmarks.batch_curve import context_settings, parse, run, speed_settings, write
from benchmarks.curve_measure import Spoken
from benchmarks.curve_points import Axis, Recommendation, Setting
from tests.support.curve_points import point, spoken

DEFAULT = Setting(Axis.SPEED, batch=1, workers=2, threads=1, margin_ms=1_500, beam=1)


def test_margins_and_beams_are_crossed_and_the_reference_is_last_and_once() -> None:
    settings = context_settings(DEFAULT, [500, None], [5, 1])
    assert [(s.margin_ms, s.beam) for s in settings] == [(500, 1), (500, 5), (None, 1), (None, 5)]
    settings = context_settings(DEFAULT, [500], [1])
    assert [(s.margin_ms, s.beam) for s in settings] == [(500, 1), (None, 5)]


def test_one_thing_is_varied_at_a_time() -> None:
    settings = speed_settings(DEFAULT, [8, 1, 4], [(1, 2), (2, 1)])
    assert [(s.batch, s.workers, s.threads) for s in settings] == [
        (1, 2, 1),
        (4, 2, 1),
        (8, 2, 1),
        (1, 1, 2),
        (8, 1, 2),
    ]
    assert {(s.margin_ms, s.beam) for s in settings} == {(1_500, 1)}


def clips() -> list[Spoken]:
    return [spoken("a", 1.0), spoken("b", 1.0)]


def test_an_engine_is_loaded_for_each_shape_and_closed() -> None:
    engines: dict[tuple[int, int], ScriptedEngine] = {}

    def load(workers: int, threads: int) -> ScriptedEngine:
        return engines.setdefault((workers, threads), ScriptedEngine(workers=workers))

    samples = run(load, speed_settings(DEFAULT, [1, 2], [(1, 2)]), clips(), repeats=3)
    assert [len(made) for made in samples.values()] == [3, 3, 3, 3]
    assert list(engines) == [(2, 1), (1, 2)]
    assert [len(batch) for batch in engines[1, 2].batches] == [1, 1, 2] * 3


def test_a_setting_that_fails_is_left_out_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    settings = context_settings(DEFAULT, [500], [1])

    def load(workers: int, threads: int) -> ScriptedEngine:
        return ScriptedEngine(fail_on=lambda request: request.options.beam_size == 5)

    samples = run(load, settings, clips(), repeats=2)
    assert list(samples) == settings[:1]
    assert len(samples[settings[0]]) == 2
    assert "left out: the script says" in capsys.readouterr().err


def test_defaults_depend_on_quick_and_the_machine() -> None:
    full, quick = parse([], 4), parse(["--quick", "--batch", "16"], 1)
    assert (full.batch, full.workers, full.clips, full.repeats) == (
        [1, 2, 4, 8],
        [1, 2, 4],
        None,
        3,
    )
    assert full.margin == [500, 1_000, 1_500, 2_000, None]
    assert (quick.batch, quick.workers, quick.clips, quick.repeats) == ([16], [1], 6, 1)
    assert parse(["--margin", "0", "full"], 1).margin == [0, None]


@pytest.mark.parametrize("given", [["--batch", "0"], ["--margin", "-1"], ["--margin", "30000"]])
def test_what_makes_no_sense_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(given, 1)


def test_the_file_holds_settings_and_facts(tmp_path: Path) -> None:
    out = tmp_path / "new"
    advised = Recommendation(2, 4, 1_000, ())
    points = [point(), point(Axis.CONTEXT, margin_ms=None)]
    write(out, points, advised, model="a-model", compute_type="int8")
    written = json.loads((out / "batch_curve.json").read_text(encoding="utf-8"))
    assert written["model"] == "a-model"
    assert written["settings"]["batch_size"] == 4
    assert [row["setting"]["axis"] for row in written["points"]] == ["speed", "context"]
    assert {path.suffix for path in out.iterdir()} == {".json", ".png"}
