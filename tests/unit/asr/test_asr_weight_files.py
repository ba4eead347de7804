"""What headers of weights say, and what is noticed of damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.weight_files import (
    SAFETENSORS_INDEX,
    Weights,
    WeightsError,
    ct2_weights,
    safetensors_files,
    safetensors_weights,
)
from tests.support.model_folders import tensors, write_json, write_model_bin
from tests.support.transformers_whisper import write_safetensors


@pytest.fixture
def model_bin(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    write_model_bin(path, vocab_size=9, n_mels=128)
    return path


def test_the_header_says_mel_bands_tokens_and_parameters(model_bin: Path) -> None:
    assert ct2_weights(model_bin) == Weights(128, 9, 9 * 2 + 2 * 128 * 3, model_bin.stat().st_size)


@pytest.mark.parametrize("kept", [0, 3, 20, 60, -60, -1])
def test_a_cut_file_is_damaged(model_bin: Path, kept: int) -> None:
    model_bin.write_bytes(model_bin.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="cut"):
        ct2_weights(model_bin)


def test_an_unknown_version_is_not_judged(model_bin: Path) -> None:
    write_model_bin(model_bin, vocab_size=9, n_mels=128, version=2)
    assert ct2_weights(model_bin) is None


def test_another_kind_of_model_is_refused(model_bin: Path) -> None:
    model_bin.write_bytes(model_bin.read_bytes().replace(b"WhisperSpec", b"WhimperSpec"))
    with pytest.raises(WeightsError, match="not a Whisper"):
        ct2_weights(model_bin)


def test_safetensors_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, tensors(n_mels=128))
    assert safetensors_files(tmp_path) == [path]
    weights = safetensors_weights([path])
    assert (weights.n_mels, weights.vocab_size) == (128, 9)
    assert weights.size_bytes == path.stat().st_size


def test_several_files_count_together(tmp_path: Path) -> None:
    for number, (name, tensor) in enumerate(tensors().items()):
        write_safetensors(tmp_path / f"{number}.safetensors", {name: tensor})
    names = {name: f"{number}.safetensors" for number, name in enumerate(tensors())}
    write_json(tmp_path / SAFETENSORS_INDEX, {"weight_map": names})
    files = safetensors_files(tmp_path)
    assert [path.name for path in files] == ["0.safetensors", "1.safetensors"]
    assert safetensors_weights(files).parameters == 2 * 80 * 3 + 9 * 2


@pytest.mark.parametrize(
    "index",
    [
        {"weight_map": {"a": "../a.safetensors"}},
        {"weight_map": {"a": 1}},
        {"weight_map": ["a"]},
        {},
        [],
    ],
)
def test_an_index_of_another_shape_is_refused(tmp_path: Path, index: object) -> None:
    write_json(tmp_path / SAFETENSORS_INDEX, index)
    with pytest.raises(WeightsError, match=SAFETENSORS_INDEX):
        safetensors_files(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_cut_safetensors_are_damaged(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, tensors())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"cut|damaged"):
        safetensors_weights([path])


def test_safetensors_of_another_kind_of_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"bert.embeddings": np.zeros(3, np.float32)})
    with pytest.raises(WeightsError, match="not a Whisper"):
        safetensors_weights([path])
