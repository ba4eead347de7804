"""Whether the files of a model's folder belong together. Reads headers and small files only.

A folder whose tokenizer is that of another model loads without a word and writes nonsense, so what
does not fit is refused, with the reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from asr.engine import EngineError
from asr.weight_files import (
    SAFETENSORS,
    SAFETENSORS_INDEX,
    Weights,
    WeightsError,
    ct2_weights,
    safetensors_files,
    safetensors_weights,
)

CT2_WEIGHTS: Final = ("model.bin",)
SAFE_WEIGHTS: Final = (SAFETENSORS, SAFETENSORS_INDEX)
PICKLED_WEIGHTS: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
TOKENIZER: Final = "tokenizer.json"
PREPROCESSOR: Final = "preprocessor_config.json"

REMEDY: Final = "remove it and get the model again"

_LAST_BEFORE_TIMESTAMPS: Final = "<|notimestamps|>"
_SAME_TOKENS: Final = {"<|nocaptions|>": "<|nospeech|>"}
"""One token by two names: transformers renamed it, and folders mix both."""
_NEEDED_TOKENS: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|transcribe|>",
    _LAST_BEFORE_TIMESTAMPS,
)
_DEFAULT_MELS: Final = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a `tokenizer.json`, by number."""

    texts: tuple[str, ...]

    def problem_with(self, vocabulary: Sequence[str]) -> str | None:
        """Why these are not the tokens that a model's vocabulary lists; None if they are.

        Timestamps may be missing: the server never asks for them.
        """
        last = next((n for n, t in enumerate(vocabulary) if t == _LAST_BEFORE_TIMESTAMPS), None)
        if len(self.texts) != len(vocabulary) and (last is None or len(self.texts) != last + 1):
            return (
                f"the tokenizer has {len(self.texts)} tokens and the model {len(vocabulary)}: it "
                "is that of another model"
            )
        for number, (ours, theirs) in enumerate(zip(self.texts, vocabulary, strict=False)):
            if last is not None and number > last:
                break
            if _SAME_TOKENS.get(ours, ours) != _SAME_TOKENS.get(theirs, theirs):
                return f"token {number} is {ours!r} to the tokenizer and {theirs!r} to the model"
        lacking = [token for token in _NEEDED_TOKENS if token not in self.texts]
        return f"the tokenizer lacks {', '.join(lacking)}" if lacking else None


def check_ct2_folder(folder: Path) -> Weights | None:
    """Refuse a CTranslate2 folder whose files are missing, damaged or not of one model.

    None where the weights are of an unknown version and were not looked into. Raises EngineError:
    `model_incomplete`, `model_misfit`.
    """
    missing = [name for name in (*CT2_WEIGHTS, "config.json") if not (folder / name).is_file()]
    if not has_any(folder, VOCABULARIES):
        missing.append(" or ".join(VOCABULARIES))
    if not (folder / TOKENIZER).is_file():
        missing.append(TOKENIZER)
    if missing:
        raise EngineError("model_incomplete", f"{folder} lacks {', '.join(missing)}; {REMEDY}")
    read(folder / "config.json", _object)
    vocabulary = read_vocabulary(folder)
    weights = read(folder / "model.bin", ct2_weights)
    if weights is not None and weights.vocab_size != len(vocabulary):
        raise _misfit(
            folder, f"its vocabulary has {len(vocabulary)} tokens, its weights {weights.vocab_size}"
        )
    problem = read_tokens(folder / TOKENIZER).problem_with(vocabulary)
    if problem is not None:
        raise _misfit(folder, problem)
    if weights is not None:
        _check_preprocessor(folder, weights.n_mels)
    return weights


def check_transformers_folder(folder: Path) -> Weights:
    """Refuse a transformers folder that cannot be converted; what its weights were made for.

    Raises EngineError: `unsafe_format`, `model_incomplete`, `model_misfit`. Its tokenizer is
    checked where it is read, in the conversion.
    """
    if not has_any(folder, SAFE_WEIGHTS):
        if has_any(folder, PICKLED_WEIGHTS):
            raise unsafe_format(folder)
        raise EngineError("model_incomplete", f"{folder} lacks {SAFETENSORS}; {REMEDY}")
    config = read(folder / "config.json", _object)
    if config.get("model_type") != "whisper":
        raise _misfit(folder, f"it is a {config.get('model_type')!r} model, not a Whisper")
    files = read(folder, safetensors_files)
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise EngineError("model_incomplete", f"{folder} lacks {', '.join(missing)}; {REMEDY}")
    weights = read(folder, lambda _: safetensors_weights(files))
    for key, value in (("num_mel_bins", weights.n_mels), ("vocab_size", weights.vocab_size)):
        if config.get(key) != value:
            raise _misfit(folder, f"config.json says {key} {config.get(key)}, the weights {value}")
    _check_preprocessor(folder, weights.n_mels)
    return weights


def unsafe_format(folder: Path) -> EngineError:
    """The refusal of pickled weights."""
    return EngineError(
        "unsafe_format",
        f"{folder} holds its weights as a pickle ({PICKLED_WEIGHTS[0]}), which can run code when "
        f"it is read and is never loaded here; take a revision with {SAFETENSORS}",
    )


def has_any(folder: Path, names: Sequence[str]) -> bool:
    """Whether one of the files is there."""
    return any((folder / name).is_file() for name in names)


class _AddedToken(msgspec.Struct, gc=False):
    id: int
    content: str


class _TokenizerModel(msgspec.Struct, gc=False):
    vocab: msgspec.Raw
    """Decoded in a step of its own, so that other threads wait for half as long."""


class _TokenizerFile(msgspec.Struct, gc=False):
    model: _TokenizerModel
    added_tokens: list[_AddedToken] = []


# megabytes: with `json` every other thread would stand still for a tenth of a second, and with
# structs that the garbage collector counts, while it looks through the whole process
_TOKENIZER_JSON: Final = msgspec.json.Decoder(_TokenizerFile)
_TOKEN_NUMBERS: Final = msgspec.json.Decoder(dict[str, int])
_VOCABULARY_JSON: Final = msgspec.json.Decoder(list[str])


def read_vocabulary(folder: Path) -> list[str]:
    """The tokens that a CTranslate2 model knows, by number. Raises EngineError."""
    path = next(folder / name for name in VOCABULARIES if (folder / name).is_file())
    return read(path, _vocabulary)


def read_tokens(path: Path) -> Tokens:
    """The tokens of a `tokenizer.json`. Raises EngineError."""
    return read(path, _tokens)


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object from a small file. Raises EngineError."""
    return read(path, _object)


def preprocessor_text(n_mels: int) -> str:
    """What `preprocessor_config.json` says of a Whisper with so many mel bands."""
    return json.dumps(
        {
            "chunk_length": 30,
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": n_mels,
            "hop_length": 160,
            "n_fft": 400,
            "n_samples": 480_000,
            "nb_max_frames": 3_000,
            "padding_side": "right",
            "padding_value": 0.0,
            "processor_class": "WhisperProcessor",
            "return_attention_mask": False,
            "sampling_rate": 16_000,
        },
        indent=2,
    )


def read(path: Path, reader: Callable[[Path], T]) -> T:
    """Read a file, with its failures as `model_incomplete`."""
    try:
        return reader(path)
    except WeightsError as error:
        raise EngineError("model_incomplete", f"{error}; {REMEDY}") from error
    except FileNotFoundError as error:
        raise EngineError("model_incomplete", f"{path} is missing; {REMEDY}") from error
    except (OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise EngineError(
            "model_incomplete", f"{path} cannot be read ({error}); {REMEDY}"
        ) from error


def _object(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise TypeError("not a JSON object")
    return value


def _vocabulary(path: Path) -> list[str]:
    if path.suffix == ".json":
        return _VOCABULARY_JSON.decode(path.read_bytes())
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def _tokens(path: Path) -> Tokens:
    parts = _TOKENIZER_JSON.decode(path.read_bytes())
    time.sleep(0)  # hands the interpreter over, here and below: each step holds it to its end
    vocabulary = _TOKEN_NUMBERS.decode(parts.model.vocab)
    time.sleep(0)
    numbers = {number: text for text, number in vocabulary.items()}
    numbers |= {token.id: token.content for token in parts.added_tokens}
    if sorted(numbers) != list(range(len(numbers))):
        raise ValueError("its tokens are not numbered from 0 on")
    return Tokens(tuple(numbers[number] for number in range(len(numbers))))


def _check_preprocessor(folder: Path, n_mels: int) -> None:
    path = folder / PREPROCESSOR
    if not path.is_file():
        return
    said = read(path, _object).get("feature_size", _DEFAULT_MELS)
    if said != n_mels:
        raise _misfit(folder, f"{PREPROCESSOR} says {said} mel bands, the weights {n_mels}")


def _misfit(folder: Path, reason: str) -> EngineError:
    return EngineError(
        "model_misfit", f"the files of {folder} are not of one model: {reason}; {REMEDY}"
    )
