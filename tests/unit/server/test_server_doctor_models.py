from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr.catalogue import load_catalogue
from asr.device import Memory
from asr.types import ModelFormat, ModelSpec
from server.doctor_models import (
    check_conversion,
    check_disk,
    check_fit,
    check_folder,
    check_models,
    read_catalogue,
)
from server.engines import Machine
from server.findings import Level
from server.package_check import ROOT
from tests.support.device_probe import FakeProbe, with_card

SPEC = ModelSpec("big", "Big", "", "owner/big", ModelFormat.CT2, "accurate", vram_mb=7_000)
EMBEDDED = replace(SPEC, id="small", embedded=True)
GPU = Machine("cuda", "float16", 4, 1, 8)
CPU = Machine("cpu", "int8", 2, 1, 4)


def test_the_projects_own_catalogue_is_well() -> None:
    catalogue, findings = read_catalogue(ROOT / "models.yaml", "whisper-base")
    assert catalogue == load_catalogue(ROOT / "models.yaml")
    assert [finding.level for finding in findings] == [Level.OK]


def test_a_catalogue_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("- id: a\n  nme: b\n")
    catalogue, (found,) = read_catalogue(tmp_path / "models.yaml", "a")
    assert not catalogue
    assert found.level is Level.PROBLEM
    assert "models.yaml:2" in found.detail


def test_a_model_that_is_not_in_the_catalogue_is_a_problem() -> None:
    _, (found,) = read_catalogue(ROOT / "models.yaml", "nix")
    assert found.level is Level.PROBLEM
    assert "whisper-base" in found.advice


def test_a_wanted_model_that_is_not_on_disk_comes_with_the_command_that_gets_it() -> None:
    (found,) = check_models({"big": SPEC, "small": EMBEDDED}, "big", lambda _: None)
    assert found.level is Level.NOTE
    assert found.advice.endswith("--download big")
    assert check_models({"big": SPEC}, "small", lambda _: None) == []


def test_a_model_on_disk_is_looked_into(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"{}")
    (found,) = check_models({"big": SPEC}, "small", lambda _: tmp_path)
    assert found.level is Level.OK
    (tmp_path / "config.json").unlink()
    (found,) = check_models({"big": SPEC}, "small", lambda _: tmp_path)
    assert found.level is Level.WARNING
    assert "config.json" in found.advice


def test_a_model_to_be_converted_comes_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    (found,) = check_models({"big": SPEC}, "big", lambda _: tmp_path)
    assert found.advice.endswith("--convert big")


@pytest.mark.parametrize(
    ("machine", "probe", "fraction", "level"),
    [
        (GPU, with_card(), 0.9, Level.OK),
        (GPU, with_card(), 0.8, Level.WARNING),
        (GPU, FakeProbe(1), 0.8, Level.NOTE),
        (CPU, FakeProbe(ram=Memory(16_000, 12_000)), 0.8, Level.OK),
        (CPU, FakeProbe(ram=Memory(16_000, 2_000)), 0.8, Level.WARNING),
    ],
)
def test_the_rule_of_admission_is_shown_for_the_wanted_model(
    machine: Machine, probe: FakeProbe, fraction: float, level: Level
) -> None:
    (found,) = check_fit(SPEC, None, machine, probe, fraction)
    assert found.level is level


def test_of_a_model_of_unknown_size_nothing_is_said() -> None:
    probe = FakeProbe(ram=Memory(16_000, 12_000))
    assert check_fit(replace(SPEC, vram_mb=None), None, CPU, probe, 0.8) == []


def test_packages_for_conversion_matter_only_where_a_model_needs_them() -> None:
    assert check_conversion({"big": SPEC}) == []
    foreign = replace(SPEC, format=ModelFormat.TRANSFORMERS)
    (found,) = check_conversion({"big": foreign})
    assert found.level in {Level.OK, Level.NOTE}


def test_a_folder_is_told_with_its_size_and_a_missing_one_may_be_made(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(200 << 20)
    found = check_folder("cache", tmp_path, needed=True)
    assert found.level is Level.OK
    assert "0.2 GB" in found.detail
    assert check_folder("cache", tmp_path / "a" / "b", needed=True).level is Level.OK
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("needed", "level"), [(True, Level.PROBLEM), (False, Level.WARNING)])
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, needed: bool, level: Level
) -> None:
    (tmp_path / "file").touch()
    found = check_folder("cache", tmp_path / "file" / "cache", needed=needed)
    assert found.level is level
    assert "cannot be written" in found.detail


def test_the_disk_is_held_against_what_the_wanted_model_needs(tmp_path: Path) -> None:
    assert check_disk(tmp_path, EMBEDDED, on_disk=True).level is Level.OK
    huge = replace(SPEC, size_mb=900_000_000)
    assert check_disk(tmp_path, huge, on_disk=False).level is Level.WARNING
    assert check_disk(tmp_path, huge, on_disk=True).level is Level.OK
