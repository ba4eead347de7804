"""Folders of ours beside those that lack something."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asr.embedded_model import embedded_file
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.model_files import read_vocabulary
from asr.prepared import prepare_model_dir
from asr.types import ModelFormat, ModelSpec
from tests.support.model_folders import TOKENS, ct2_folder, write_json, write_tokenizer_json

SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.CT2, "fast")


@pytest.fixture
def known(tmp_path: Path) -> Callable[[], Path]:
    """The tokenizer that is known here, for the tokens of the small folders."""
    path = tmp_path / "known.json"
    write_tokenizer_json(path, TOKENS)
    return lambda: path


def no_tokenizer() -> Path:
    raise AssertionError("no tokenizer is needed")


def test_a_complete_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = ct2_folder(tmp_path / "m")
    assert prepare_model_dir(SPEC, folder, tmp_path / "cache", no_tokenizer) == folder
    assert not (tmp_path / "cache").exists()


def test_the_built_in_model_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = ct2_folder(tmp_path / "m", complete=False)
    spec = replace(SPEC, embedded=True)
    assert prepare_model_dir(spec, folder, tmp_path / "cache", no_tokenizer) == folder


def test_missing_files_are_made_beside_and_the_folder_is_not_written_to(
    tmp_path: Path, known: Callable[[], Path]
) -> None:
    folder = ct2_folder(tmp_path / "m", n_mels=128, complete=False)
    before = sorted(path.name for path in folder.iterdir())
    ours = prepare_model_dir(SPEC, folder, tmp_path / "cache", known)
    assert sorted(path.name for path in folder.iterdir()) == before
    check_model_dir(ours)
    made = json.loads((ours / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert made["feature_size"] == 128
    assert (ours / "model.bin").samefile(folder / "model.bin")


def test_a_prepared_folder_is_made_once(tmp_path: Path, known: Callable[[], Path]) -> None:
    folder = ct2_folder(tmp_path / "m", complete=False)
    ours = prepare_model_dir(SPEC, folder, tmp_path / "cache", known)
    assert prepare_model_dir(SPEC, folder, tmp_path / "cache", no_tokenizer) == ours


def test_a_changed_folder_is_prepared_again(tmp_path: Path, known: Callable[[], Path]) -> None:
    folder = ct2_folder(tmp_path / "m", n_mels=80, complete=False)
    first = prepare_model_dir(SPEC, folder, tmp_path / "cache", known)
    ct2_folder(folder, n_mels=128, complete=False)
    assert prepare_model_dir(SPEC, folder, tmp_path / "cache", known) != first


def test_a_prepared_folder_that_lost_a_file_is_made_again(
    tmp_path: Path, known: Callable[[], Path]
) -> None:
    folder = ct2_folder(tmp_path / "m", complete=False)
    ours = prepare_model_dir(SPEC, folder, tmp_path / "cache", known)
    (ours / "vocabulary.json").unlink()
    assert prepare_model_dir(SPEC, folder, tmp_path / "cache", known) == ours
    check_model_dir(ours)


def test_only_the_preprocessor_needs_no_tokenizer(tmp_path: Path) -> None:
    folder = ct2_folder(tmp_path / "m")
    (folder / "preprocessor_config.json").unlink()
    ours = prepare_model_dir(SPEC, folder, tmp_path / "cache", no_tokenizer)
    check_model_dir(ours)
    assert (ours / "preprocessor_config.json").is_file()


def test_a_tokenizer_of_other_tokens_is_not_put_in(
    tmp_path: Path, known: Callable[[], Path]
) -> None:
    folder = ct2_folder(tmp_path / "m", complete=False)
    write_json(folder / "vocabulary.json", ["b", "a", *TOKENS[2:]])
    with pytest.raises(EngineError, match=r"lacks tokenizer\.json.*token 0") as caught:
        prepare_model_dir(SPEC, folder, tmp_path / "cache", known)
    assert caught.value.code == "model_incomplete"
    assert not list((tmp_path / "cache" / "prepared").glob("*.making"))


def test_an_older_multilingual_whisper_gets_the_built_in_tokenizer(tmp_path: Path) -> None:
    """As Thonburian small comes: without one, and with a token by its older name."""
    tokens = read_vocabulary(embedded_file("vocabulary.json").parent)
    tokens[tokens.index("<|nospeech|>")] = "<|nocaptions|>"
    folder = ct2_folder(tmp_path / "m", tokens=tokens, complete=False)
    ours = prepare_model_dir(SPEC, folder, tmp_path / "cache")
    check_model_dir(ours)
    built_in = embedded_file("tokenizer.json").read_bytes()
    assert (ours / "tokenizer.json").read_bytes() == built_in


def test_large_v3_does_not_get_it(tmp_path: Path) -> None:
    tokens = read_vocabulary(embedded_file("vocabulary.json").parent)
    tokens.insert(tokens.index("<|translate|>"), "<|yue|>")
    folder = ct2_folder(tmp_path / "m", tokens=tokens, n_mels=128, complete=False)
    with pytest.raises(EngineError, match="51865 tokens and the model 51866"):
        prepare_model_dir(SPEC, folder, tmp_path / "cache")


def test_what_is_no_ct2_folder_is_left_to_the_check(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    assert prepare_model_dir(SPEC, tmp_path / "m", tmp_path, no_tokenizer) == tmp_path / "m"
