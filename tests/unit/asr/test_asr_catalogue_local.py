"""A model that the operator names by its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.catalogue import Catalogue
from asr.catalogue_local import with_local_model
from asr.engine import EngineError
from asr.locate import find_model
from asr.types import ModelFormat, ModelSpec

CATALOGUE: Catalogue = {"a": ModelSpec("a", "A", "", "o/a", ModelFormat.CT2, "fast")}


def folder_with(parent: Path, *names: str) -> Path:
    folder = parent / "เสียง My Model"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("model.bin", "config.json"), ModelFormat.CT2),
        (("model.safetensors",), ModelFormat.TRANSFORMERS),
        (("pytorch_model.bin.index.json",), ModelFormat.TRANSFORMERS),
        (("pytorch_model.bin", "model.bin"), ModelFormat.CT2),
    ],
)
def test_a_folder_joins_the_catalogue_with_the_format_of_its_files(
    tmp_path: Path, names: tuple[str, ...], kind: ModelFormat
) -> None:
    folder = folder_with(tmp_path, *names)
    catalogue = with_local_model(CATALOGUE, folder)
    spec = catalogue["local"]
    assert list(catalogue) == ["a", "local"]
    assert (spec.name, spec.format, spec.language) == ("เสียง My Model", kind, "th")
    assert spec.repo == "local/เสียง My Model"
    assert find_model(spec, tmp_path) == folder


def test_the_catalogue_given_is_left_as_it_was(tmp_path: Path) -> None:
    with_local_model(CATALOGUE, folder_with(tmp_path, "model.bin"))
    assert list(CATALOGUE) == ["a"]


def test_a_relative_path_and_a_home_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_with(tmp_path, "model.bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for path in (Path(folder.name), Path("~") / folder.name):
        assert with_local_model(CATALOGUE, path)["local"].path == str(folder)


def test_a_folder_that_cannot_be_used_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"x")
    cases = {
        tmp_path / "nowhere": "does not exist; --model-path takes the folder",
        file: "is a file; --model-path takes the folder that holds model.bin",
        folder_with(tmp_path, "readme.txt"): "holds no model: neither model.bin",
        tmp_path / ("x" * 5_000): "cannot be read: File name too long",
    }
    for path, words in cases.items():
        with pytest.raises(EngineError) as caught:
            with_local_model(CATALOGUE, path)
        assert caught.value.code == "bad_model_path"
        assert str(path) in caught.value.message
        assert words in caught.value.message


def test_an_entry_of_that_id_is_not_replaced(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "model.bin")
    taken = with_local_model(CATALOGUE, folder)
    with pytest.raises(EngineError, match="has a model 'local' already"):
        with_local_model(taken, folder)
