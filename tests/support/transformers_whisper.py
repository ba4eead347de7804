"""Whisper folders as the transformers library writes them, made without it.

`back_to_transformers` undoes a conversion: the weights of a CTranslate2 folder under the names and
in the shapes of `WhisperForConditionalGeneration`. `random_whisper` is a tiny one that knows
nothing. Both write safetensors and the tokenizer's vocab.json, merges.txt and added_tokens.json
(and no tokenizer.json, as the Thai models in that format come).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.weight_files import Ct2Variable, ct2_aliases, ct2_variables

Tensor: TypeAlias = npt.NDArray[Any]
Tensors: TypeAlias = dict[str, Tensor]

_CT2_DTYPES = ("<f4", "i1", "<i2", "<i4", "<f2")
_SAFETENSORS_DTYPES = {"float32": "F32", "float16": "F16"}


def back_to_transformers(ct2_folder: Path, target: Path) -> Path:
    """Write the weights of a CTranslate2 Whisper as float16 or float32, whichever they were.

    Quantised weights are multiplied out.
    """
    ct2 = read_ct2(ct2_folder / "model.bin")
    layers = 1 + max(_layer(name) for name in ct2 if "/layer_" in name)
    tensors: Tensors = {}
    for stack in ("encoder", "decoder"):
        _stack(ct2, stack, layers, tensors)
    tensors["model.decoder.embed_tokens.weight"] = ct2["decoder/embeddings/weight"]
    for part in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            tensors[f"model.encoder.{part}.{kind}"] = ct2[f"encoder/{part}/{kind}"]
    heads = int(ct2["encoder/num_heads"])
    ct2_config = json.loads((ct2_folder / "config.json").read_text(encoding="utf-8"))
    write_folder(target, tensors, heads, ct2_folder / "tokenizer.json", ct2_config)
    return target


def random_whisper(target: Path, tokenizer: Path, *, n_mels: int = 80, width: int = 64) -> Path:
    """Two layers of each kind, two heads, random float32 weights, a real tokenizer."""
    random = np.random.default_rng(1)
    vocabulary = len(tokens_of(tokenizer))

    def some(*shape: int) -> Tensor:
        return random.normal(0, 0.05, shape).astype(np.float32)

    tensors = {
        "model.encoder.conv1.weight": some(width, n_mels, 3),
        "model.encoder.conv1.bias": some(width),
        "model.encoder.conv2.weight": some(width, width, 3),
        "model.encoder.conv2.bias": some(width),
        "model.encoder.embed_positions.weight": some(1500, width),
        "model.decoder.embed_positions.weight": some(448, width),
        "model.decoder.embed_tokens.weight": some(vocabulary, width),
    }
    for stack, attentions in (
        ("encoder", ("self_attn",)),
        ("decoder", ("self_attn", "encoder_attn")),
    ):
        tensors |= _norm(f"model.{stack}.layer_norm", width)
        for layer in range(2):
            prefix = f"model.{stack}.layers.{layer}"
            tensors |= _norm(f"{prefix}.final_layer_norm", width)
            for attention in attentions:
                tensors |= _norm(f"{prefix}.{attention}_layer_norm", width)
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    tensors[f"{prefix}.{attention}.{part}.weight"] = some(width, width)
                    if part != "k_proj":
                        tensors[f"{prefix}.{attention}.{part}.bias"] = some(width)
            for part, shape in (("fc1", (4 * width, width)), ("fc2", (width, 4 * width))):
                tensors[f"{prefix}.{part}.weight"] = some(*shape)
                tensors[f"{prefix}.{part}.bias"] = some(shape[0])
    write_folder(target, tensors, 2, tokenizer, {})
    return target


def write_folder(
    target: Path,
    tensors: Tensors,
    heads: int,
    tokenizer: Path,
    ct2_config: Mapping[str, Any],
) -> None:
    """Write weights, configuration and tokenizer."""
    target.mkdir(parents=True, exist_ok=True)
    write_safetensors(target / "model.safetensors", tensors)
    tokens = tokens_of(tokenizer)
    _write(target / "config.json", _config(tensors, heads))
    _write(target / "generation_config.json", _generation_config(tokens, ct2_config))
    _write(
        target / "preprocessor_config.json",
        {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": tensors["model.encoder.conv1.weight"].shape[1],
            "sampling_rate": 16000,
        },
    )
    write_tokenizer(target, tokenizer)


def write_tokenizer(target: Path, tokenizer: Path) -> None:
    """The slow tokenizer's files, from a tokenizer.json; timestamps are left to the converter."""
    parts = json.loads(tokenizer.read_text(encoding="utf-8"))
    _write(target / "vocab.json", parts["model"]["vocab"])
    merges = (m if isinstance(m, str) else " ".join(m) for m in parts["model"]["merges"])
    (target / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8"
    )
    added = {token["content"]: token["id"] for token in parts["added_tokens"]}
    named = {text: number for text, number in added.items() if not _is_timestamp(text)}
    known = parts["model"]["vocab"]
    _write(target / "added_tokens.json", {t: n for t, n in named.items() if known.get(t, -1) != n})
    special = [text for text in named if text != "<|endoftext|>"]
    end = "<|endoftext|>"
    _write(
        target / "special_tokens_map.json",
        {
            "additional_special_tokens": [end, *special],
            "bos_token": end,
            "eos_token": end,
            "pad_token": end,
            "unk_token": end,
        },
    )
    _write(
        target / "tokenizer_config.json",
        {
            "tokenizer_class": "WhisperTokenizer",
            "add_prefix_space": False,
            "additional_special_tokens": [end, *special],
            "bos_token": end,
            "eos_token": end,
            "pad_token": end,
            "unk_token": end,
            "errors": "replace",
            "model_max_length": 1024,
        },
    )


def tokens_of(tokenizer: Path) -> list[str]:
    """Every token of a tokenizer.json by its number."""
    parts = json.loads(tokenizer.read_text(encoding="utf-8"))
    numbers: dict[str, int] = dict(parts["model"]["vocab"])
    numbers |= {token["content"]: token["id"] for token in parts["added_tokens"]}
    return sorted(numbers, key=numbers.__getitem__)


def read_ct2(path: Path) -> Tensors:
    """Every variable of a model.bin, quantised weights multiplied out, aliases resolved."""
    with path.open("rb") as file:
        variables = ct2_variables(file, path)
        assert variables is not None
        aliases = ct2_aliases(file)
        raw = {v.name: _array(file.seek(v.offset), file.read(v.size_bytes), v) for v in variables}
    found: Tensors = {}
    for name, value in raw.items():
        scale = raw.get(f"{name}_scale")
        if scale is None:
            found[name] = value
        else:
            rows = scale.reshape(-1, *[1] * (value.ndim - 1))
            found[name] = value.astype(np.float32) / rows
    return found | {alias: found[name] for alias, name in aliases.items()}


def write_safetensors(path: Path, tensors: Tensors) -> None:
    """The file format: length of the header, header as JSON, data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": _SAFETENSORS_DTYPES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor).tobytes())


def _array(_position: int, data: bytes, variable: Ct2Variable) -> Tensor:
    return np.frombuffer(data, _CT2_DTYPES[variable.dtype]).reshape(variable.shape)


def _layer(name: str) -> int:
    return int(name.partition("/layer_")[2].partition("/")[0].removeprefix("norm") or 0)


def _stack(ct2: Tensors, stack: str, layers: int, out: Tensors) -> None:
    out[f"model.{stack}.embed_positions.weight"] = ct2[f"{stack}/position_encodings/encodings"]
    _copy_norm(ct2, f"{stack}/layer_norm", f"model.{stack}.layer_norm", out)
    for layer in range(layers):
        theirs, ours = f"{stack}/layer_{layer}", f"model.{stack}.layers.{layer}"
        _copy_norm(ct2, f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm", out)
        for number, part in enumerate(("fc1", "fc2")):
            _copy_linear(ct2, f"{theirs}/ffn/linear_{number}", f"{ours}.{part}", out)
        _attention(ct2, f"{theirs}/self_attention", f"{ours}.self_attn", ("qkv", "o"), out)
        if stack == "decoder":
            names = ("q", "kv", "o")
            _attention(ct2, f"{theirs}/attention", f"{ours}.encoder_attn", names, out)


def _attention(ct2: Tensors, theirs: str, ours: str, fused: tuple[str, ...], out: Tensors) -> None:
    """Take apart what was joined: queries, keys and values one below the other."""
    _copy_norm(ct2, f"{theirs}/layer_norm", f"{ours}_layer_norm", out)
    for number, letters in enumerate(fused):
        weights = np.split(ct2[f"{theirs}/linear_{number}/weight"], len(letters))
        biases = np.split(ct2[f"{theirs}/linear_{number}/bias"], len(letters))
        for letter, weight, bias in zip(letters, weights, biases, strict=True):
            name = f"{ours}.{'out' if letter == 'o' else letter}_proj"
            out[f"{name}.weight"] = weight
            if letter == "k":
                assert not bias.any()  # Whisper's keys have no bias
            else:
                out[f"{name}.bias"] = bias


def _copy_linear(ct2: Tensors, theirs: str, ours: str, out: Tensors) -> None:
    for kind in ("weight", "bias"):
        out[f"{ours}.{kind}"] = ct2[f"{theirs}/{kind}"]


def _copy_norm(ct2: Tensors, theirs: str, ours: str, out: Tensors) -> None:
    out[f"{ours}.weight"] = ct2[f"{theirs}/gamma"]
    out[f"{ours}.bias"] = ct2[f"{theirs}/beta"]


def _norm(name: str, width: int) -> Tensors:
    return {
        f"{name}.weight": np.ones(width, np.float32),
        f"{name}.bias": np.zeros(width, np.float32),
    }


def _config(tensors: Tensors, heads: int) -> dict[str, Any]:
    conv = tensors["model.encoder.conv1.weight"]
    layers = 1 + max(int(n.split(".")[3]) for n in tensors if ".layers." in n)
    feed_forward = tensors["model.encoder.layers.0.fc1.weight"].shape[0]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "d_model": conv.shape[0],
        "num_mel_bins": conv.shape[1],
        "vocab_size": tensors["model.decoder.embed_tokens.weight"].shape[0],
        "encoder_layers": layers,
        "decoder_layers": layers,
        "num_hidden_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": feed_forward,
        "decoder_ffn_dim": feed_forward,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "activation_function": "gelu",
        "bos_token_id": 50257,
        "eos_token_id": 50257,
        "pad_token_id": 50257,
        "decoder_start_token_id": 50258,
        "is_encoder_decoder": True,
        "torch_dtype": conv.dtype.name,
    }


def _generation_config(tokens: list[str], ct2_config: Mapping[str, Any]) -> dict[str, Any]:
    first, last = tokens.index("<|startoftranscript|>") + 1, tokens.index("<|translate|>")
    config = {
        "suppress_tokens": ct2_config.get("suppress_ids", []),
        "begin_suppress_tokens": ct2_config.get("suppress_ids_begin", [220, 50257]),
        "lang_to_id": {tokens[number]: number for number in range(first, last)},
        "is_multilingual": True,
        "bos_token_id": 50257,
        "eos_token_id": 50257,
        "pad_token_id": 50257,
        "decoder_start_token_id": 50258,
    }
    if "alignment_heads" in ct2_config:
        config["alignment_heads"] = ct2_config["alignment_heads"]
    return config


def _is_timestamp(text: str) -> bool:
    return text.startswith("<|") and text[2:-2].replace(".", "").isdecimal()


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
