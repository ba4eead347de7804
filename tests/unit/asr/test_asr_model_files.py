"""Folders that fit, and the reasons for which others are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asr.embedded_model import embedded_file
from asr.engine import EngineError
from asr.model_files import (
    Tokens,
    check_ct2_folder,
    check_transformers_folder,
    read_tokens,
    read_vocabulary,
)
from tests.support.model_folders import (
    SPECIAL,
    TEXT,
    TOKENS,
    ct2_folder,
    transformers_folder,
    write_json,
    write_model_bin,
    write_tokenizer_json,
)

Damage = Callable[[Path], None]


def refusal(check: Callable[[Path], object], folder: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        check(folder)
    return caught.value


def test_a_ct2_folder_of_one_model_passes(tmp_path: Path) -> None:
    weights = check_ct2_folder(ct2_folder(tmp_path, n_mels=128))
    assert weights is not None
    assert weights.n_mels == 128


def test_a_vocabulary_of_lines_is_read_too(tmp_path: Path) -> None:
    folder = ct2_folder(tmp_path)
    (folder / "vocabulary.json").unlink()
    (folder / "vocabulary.txt").write_text("".join(f"{t}\n" for t in TOKENS), encoding="utf-8")
    check_ct2_folder(folder)
    assert read_vocabulary(folder) == list(TOKENS)


def test_timestamps_may_be_missing_from_the_tokenizer(tmp_path: Path) -> None:
    folder = ct2_folder(tmp_path)
    write_tokenizer_json(folder / "tokenizer.json", (*TEXT, *SPECIAL))
    check_ct2_folder(folder)


def test_one_token_by_its_two_names_is_no_difference() -> None:
    ours = (*TEXT, *SPECIAL[:3], "<|nospeech|>", SPECIAL[3])
    theirs = (*TEXT, *SPECIAL[:3], "<|nocaptions|>", SPECIAL[3])
    assert Tokens(ours).problem_with(theirs) is None


def no_weights(folder: Path) -> None:
    (folder / "model.bin").unlink()


def cut_weights(folder: Path) -> None:
    path = folder / "model.bin"
    path.write_bytes(path.read_bytes()[:-10])


def odd_config(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def odd_vocabulary(folder: Path) -> None:
    write_json(folder / "vocabulary.json", {"a": 1})


def odd_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def gap_in_tokenizer(folder: Path) -> None:
    write_json(folder / "tokenizer.json", {"model": {"vocab": {"a": 0, "b": 2}}})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (no_weights, r"lacks model\.bin"),
        (cut_weights, "cut"),
        (odd_config, r"config\.json cannot be read"),
        (odd_vocabulary, r"vocabulary\.json cannot be read"),
        (odd_tokenizer, r"tokenizer\.json cannot be read"),
        (gap_in_tokenizer, "not numbered from 0"),
    ],
)
def test_damage_is_told_with_the_file(tmp_path: Path, damage: Damage, reason: str) -> None:
    folder = ct2_folder(tmp_path)
    damage(folder)
    error = refusal(check_ct2_folder, folder)
    assert error.code == "model_incomplete"
    assert_says(error, reason)


def assert_says(error: EngineError, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        raise error


def weights_of_another(folder: Path) -> None:
    write_model_bin(folder / "model.bin", len(TOKENS) + 1, 80)


def tokenizer_of_another(folder: Path) -> None:
    write_tokenizer_json(folder / "tokenizer.json", (*TOKENS, "<|0.04|>"))


def other_texts(folder: Path) -> None:
    write_tokenizer_json(folder / "tokenizer.json", ("b", "a", *TOKENS[2:]))


def lacking_transcribe(folder: Path) -> None:
    tokens = [t if t != "<|transcribe|>" else "<|other|>" for t in TOKENS]
    write_json(folder / "vocabulary.json", tokens)
    write_tokenizer_json(folder / "tokenizer.json", tokens)


def other_mels(folder: Path) -> None:
    write_json(folder / "preprocessor_config.json", {"feature_size": 128})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (weights_of_another, "its vocabulary has 9 tokens, its weights 10"),
        (tokenizer_of_another, "the tokenizer has 10 tokens and the model 9"),
        (other_texts, "token 0 is 'b' to the tokenizer and 'a' to the model"),
        (lacking_transcribe, r"lacks <\|transcribe\|>"),
        (other_mels, "says 128 mel bands, the weights 80"),
    ],
)
def test_files_of_several_models_are_refused(tmp_path: Path, change: Damage, reason: str) -> None:
    folder = ct2_folder(tmp_path)
    change(folder)
    error = refusal(check_ct2_folder, folder)
    assert error.code == "model_misfit"
    assert_says(error, reason)


def test_a_transformers_folder_passes_without_a_preprocessor(tmp_path: Path) -> None:
    assert check_transformers_folder(transformers_folder(tmp_path, n_mels=128)).n_mels == 128


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def nothing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def half_downloaded(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    write_json(
        folder / "model.safetensors.index.json", {"weight_map": {"a": "model-00001.safetensors"}}
    )


def another_architecture(folder: Path) -> None:
    write_json(folder / "config.json", {"model_type": "wav2vec2"})


def other_vocabulary(folder: Path) -> None:
    write_json(
        folder / "config.json", {"model_type": "whisper", "vocab_size": 51866, "num_mel_bins": 80}
    )


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (only_pickle, "unsafe_format", "can run code"),
        (nothing, "model_incomplete", r"lacks model\.safetensors"),
        (half_downloaded, "model_incomplete", r"lacks model-00001\.safetensors"),
        (no_config, "model_incomplete", r"config\.json is missing"),
        (another_architecture, "model_misfit", "'wav2vec2' model, not a Whisper"),
        (other_vocabulary, "model_misfit", "vocab_size 51866, the weights 9"),
        (other_mels, "model_misfit", "says 128 mel bands, the weights 80"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    tmp_path: Path, change: Damage, code: str, reason: str
) -> None:
    folder = transformers_folder(tmp_path)
    change(folder)
    error = refusal(check_transformers_folder, folder)
    assert error.code == code
    assert_says(error, reason)


def test_the_built_in_tokenizer_has_the_tokens_of_the_built_in_vocabulary() -> None:
    tokenizer = embedded_file("tokenizer.json")
    vocabulary = read_vocabulary(tokenizer.parent)
    assert len(vocabulary) == 51865
    assert read_tokens(tokenizer).problem_with(vocabulary) is None
    of_large_v3 = [*vocabulary[:50358], "<|yue|>", *vocabulary[50358:]]
    assert "51866" in (read_tokens(tokenizer).problem_with(of_large_v3) or "")
