"""Folders of models too small to say anything, whose files fit together all the same."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.support.transformers_whisper import Tensors, write_safetensors

SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>")
TEXT = ("a", "b", "ab")
TOKENS = (*TEXT, *SPECIAL, "<|0.00|>", "<|0.02|>")
N_MELS = 80


def ct2_folder(
    folder: Path,
    *,
    tokens: Sequence[str] = TOKENS,
    n_mels: int = N_MELS,
    complete: bool = True,
    filler: int = 0,
) -> Path:
    """A CTranslate2 folder; without the two files that may be made if not `complete`.

    `filler` is how many more weights it has, of two bytes each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_model_bin(folder / "model.bin", len(tokens), n_mels, filler=filler)
    write_json(folder / "config.json", {"lang_ids": []})
    write_json(folder / "vocabulary.json", list(tokens))
    if complete:
        write_tokenizer_json(folder / "tokenizer.json", tokens)
        write_json(folder / "preprocessor_config.json", {"feature_size": n_mels})
    return folder


def transformers_folder(folder: Path, *, n_mels: int = N_MELS) -> Path:
    """A transformers folder with the two tensors that are looked at."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors(n_mels))
    write_json(
        folder / "config.json",
        {"model_type": "whisper", "vocab_size": len(TOKENS), "num_mel_bins": n_mels},
    )
    return folder


def tensors(n_mels: int = N_MELS) -> Tensors:
    """The two tensors."""
    return {
        "model.encoder.conv1.weight": np.zeros((2, n_mels, 3), np.float16),
        "model.decoder.embed_tokens.weight": np.zeros((len(TOKENS), 2), np.float16),
    }


def write_model_bin(
    path: Path, vocab_size: int, n_mels: int, version: int = 6, filler: int = 0
) -> None:
    """CTranslate2's format, with the two variables that are looked at, others and an alias."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    variables: dict[str, tuple[int, ...]] = {
        "decoder/embeddings/weight": (vocab_size, 2),
        "encoder/conv1/weight": (2, n_mels, 3),
        "encoder/filler": (filler,),
    }
    data = struct.pack("<I", version) + text("WhisperSpec")
    data += struct.pack("<II", 3, len(variables))
    for name, shape in variables.items():
        content = np.zeros(shape, np.float16).tobytes()
        data += text(name) + struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        data += struct.pack("<BI", 4, len(content)) + content
    data += struct.pack("<I", 1)
    data += text("decoder/projection/weight") + text("decoder/embeddings/weight")
    path.write_bytes(data)


def write_tokenizer_json(path: Path, tokens: Sequence[str]) -> None:
    """A `tokenizer.json` of these tokens."""
    texts = [token for token in tokens if not token.startswith("<|")]
    added = [
        {"id": number, "content": token}
        for number, token in enumerate(tokens)
        if token.startswith("<|")
    ]
    vocabulary = {token: number for number, token in enumerate(texts)}
    write_json(path, {"model": {"vocab": vocabulary, "merges": []}, "added_tokens": added})


def write_json(path: Path, value: object) -> None:
    """As text in UTF-8."""
    path.write_text(json.dumps(value), encoding="utf-8")
