"""Costs come back from disk as they were kept, or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from asr.calibration import DecodeCosts
from asr.cost_store import CostKey, CostStore

KEY = CostKey(
    model_id="whisper-base",
    model_bytes=145_000_000,
    model_mtime_ns=1_700_000_000_123_456_789,
    device="cpu",
    compute_type="int8",
    workers=2,
    threads_per_worker=1,
    batch_size=8,
    context_margin_ms=1_500,
    wide_margin_ms=4_000,
    trial_tokens=55,
    ctranslate2="4.8.1",
    cpu_count=2,
    cpu_name="A Processor (R) @ 2 GHz",
)
COSTS = DecodeCosts(0.35, 0.85, None)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "measured"
    CostStore(folder).save(KEY, COSTS)
    assert CostStore(folder).load(KEY) == COSTS
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    CostStore(folder).save(KEY, DecodeCosts(0.5))
    assert CostStore(folder).load(KEY) == DecodeCosts(0.5)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CostKey)])
def test_another_key_in_any_part_is_not_known(tmp_path: Path, field: str) -> None:
    CostStore(tmp_path).save(KEY, COSTS)
    value: Any = getattr(KEY, field)
    other: Any = value + 1 if isinstance(value, int) else f"{value}2"
    assert CostStore(tmp_path).load(dataclasses.replace(KEY, **{field: other})) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{", ""),
        ("0.35", "0"),
        ("0.85", "-1"),
        ("0.85", '"quick"'),
        ('"partial_s"', '"party"'),
        ("145000000", "145000001"),
    ],
)
def test_a_damaged_file_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: str, new: str
) -> None:
    store = CostStore(tmp_path)
    store.save(KEY, COSTS)
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert store.load(KEY) is None
    assert "measuring again" in caplog.text
    store.save(KEY, COSTS)
    assert store.load(KEY) == COSTS


def test_a_folder_that_cannot_be_made_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    store = CostStore(tmp_path / "file")
    store.save(KEY, COSTS)
    assert "cannot be kept" in caplog.text
    assert store.load(KEY) is None


def test_a_place_that_cannot_be_taken_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = CostStore(tmp_path)
    store.save(KEY, COSTS)
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    store.save(KEY, COSTS)
    assert "cannot be kept" in caplog.text
    assert list(tmp_path.iterdir()) == [path]
