from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr.engine import EngineError
from asr.locate import check_model_dir, find_model, sizes_mb
from asr.types import ModelFormat, ModelSpec
from tests.support.model_folders import ct2_folder, transformers_folder

SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.CT2, "fast")
CT2_FILES = ("model.bin", "config.json", "vocabulary.json", "tokenizer.json")
COMMIT = "a" * 40
OTHER_COMMIT = "b" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cached repository of SPEC: a branch `main` at COMMIT, without files."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    return repository


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_nothing_in_the_cache(hub: Path, tmp_path: Path) -> None:
    assert find_model(SPEC, tmp_path) is None
    fill(hub / "snapshots" / COMMIT, "config.json", "tokenizer.json")
    assert find_model(SPEC, tmp_path) is None


def test_the_branch_is_found_in_the_cache(hub: Path, tmp_path: Path) -> None:
    folder = fill(hub / "snapshots" / COMMIT, *CT2_FILES)
    fill(hub / "snapshots" / OTHER_COMMIT, *CT2_FILES)
    assert find_model(SPEC, tmp_path) == folder


def test_a_pinned_revision_is_the_only_one_taken(hub: Path, tmp_path: Path) -> None:
    fill(hub / "snapshots" / COMMIT, *CT2_FILES)
    pinned = replace(SPEC, revision=OTHER_COMMIT)
    assert find_model(pinned, tmp_path) is None
    folder = fill(hub / "snapshots" / OTHER_COMMIT, *CT2_FILES)
    assert find_model(pinned, tmp_path) == folder


def test_a_transformers_model_is_found_by_its_own_weights(hub: Path, tmp_path: Path) -> None:
    spec = replace(SPEC, format=ModelFormat.TRANSFORMERS)
    folder = fill(hub / "snapshots" / COMMIT, "model.safetensors")
    assert find_model(spec, tmp_path) == folder
    assert find_model(SPEC, tmp_path) is None


def test_a_path_is_the_only_place_looked_at(hub: Path, tmp_path: Path) -> None:
    fill(hub / "snapshots" / COMMIT, *CT2_FILES)
    spec = replace(SPEC, path=str(tmp_path / "mine"))
    assert find_model(spec, tmp_path) is None
    fill(tmp_path / "mine")
    assert find_model(spec, tmp_path) == tmp_path / "mine"


def test_a_complete_folder_passes(tmp_path: Path) -> None:
    check_model_dir(ct2_folder(tmp_path))


def test_transformers_weights_need_conversion(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"--convert ID") as caught:
        check_model_dir(transformers_folder(tmp_path))
    assert caught.value.code == "needs_conversion"


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="never loaded") as caught:
        check_model_dir(fill(tmp_path, "pytorch_model.bin", "config.json", "tokenizer.json"))
    assert caught.value.code == "unsafe_format"


@pytest.mark.parametrize("missing", CT2_FILES)
def test_an_incomplete_folder_is_refused_and_says_what_it_lacks(
    tmp_path: Path, missing: str
) -> None:
    (ct2_folder(tmp_path) / missing).unlink()
    with pytest.raises(EngineError, match=f"lacks {missing}") as caught:
        check_model_dir(tmp_path)
    assert caught.value.code == "model_incomplete"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"lacks model\.bin"):
        check_model_dir(tmp_path / "nowhere")


def test_sizes_are_those_of_the_files_in_millions_of_bytes(tmp_path: Path) -> None:
    folder = fill(tmp_path / "m", *CT2_FILES)
    (folder / "model.bin").write_bytes(bytes(2_600_000))
    folders = {"m": folder, "unreadable": tmp_path / "nowhere", "absent": None}
    specs = [replace(SPEC, id=name) for name in folders]
    sizes = sizes_mb(specs, lambda spec: folders[spec.id])
    assert sizes == {"m": 3, "unreadable": None}


def test_a_model_that_cannot_be_looked_for_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"x" * 2_000_000)

    def locate(spec: ModelSpec) -> Path:
        if spec.id == "locked":
            raise PermissionError("no")
        return tmp_path

    specs = [replace(SPEC, id="locked"), replace(SPEC, id="open")]
    assert sizes_mb(specs, locate) == {"open": 2}
