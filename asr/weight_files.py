"""What a file of weights says of its model, read from its headers alone (milliseconds).

The model itself decides how many tokens it knows and how many mel bands it hears: the small files
beside it are checked against that.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

Shape: TypeAlias = tuple[int, ...]

OLDEST_CT2_VERSION: Final = 4
"""Of CTranslate2's binary format; before it, sizes were written otherwise."""

SAFETENSORS: Final = "model.safetensors"
SAFETENSORS_INDEX: Final = "model.safetensors.index.json"

_CT2_CONVOLUTION: Final = "encoder/conv1/weight"
_CT2_EMBEDDINGS: Final = "decoder/embeddings/weight"
_CONVOLUTION: Final = "model.encoder.conv1.weight"
_EMBEDDINGS: Final = "model.decoder.embed_tokens.weight"
_MAX_HEADER_BYTES: Final = 100 << 20


class WeightsError(Exception):
    """A file of weights that is damaged or no Whisper. The message says which and how."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What weights were made for, and how large they are."""

    n_mels: int
    vocab_size: int
    parameters: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Ct2Variable:
    """One variable of a `model.bin`: where its data lie. `dtype` is CTranslate2's number."""

    name: str
    shape: Shape
    dtype: int
    offset: int
    size_bytes: int


def ct2_weights(path: Path) -> Weights | None:
    """Of a `model.bin`; None where it is of a version whose layout is not known here.

    Raises WeightsError for a file that is cut or no Whisper, OSError if it cannot be read.
    """
    with path.open("rb") as file:
        variables = ct2_variables(file, path)
        if variables is None:
            return None
        try:
            ct2_aliases(file)
        except (struct.error, UnicodeDecodeError) as error:
            raise WeightsError(f"{path} is cut: its end is missing") from error
    shapes = {variable.name: variable.shape for variable in variables}
    return _weights(path, shapes, _CT2_CONVOLUTION, _CT2_EMBEDDINGS, path.stat().st_size)


def ct2_variables(file: BinaryIO, path: Path) -> list[Ct2Variable] | None:
    """The variables of an open `model.bin`, the file standing behind the last of them.

    None for an unknown version. Raises WeightsError.
    """
    try:
        (version,) = _read(file, "<I")
        if version < OLDEST_CT2_VERSION or version > 100:
            return None
        if _string(file) != "WhisperSpec":
            raise WeightsError(f"{path} is not a Whisper model")
        _, count = _read(file, "<II")
        return list(_ct2_each(file, count, path))
    except (struct.error, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is damaged: its list of variables is cut") from error


def _ct2_each(file: BinaryIO, count: int, path: Path) -> Iterator[Ct2Variable]:
    end = path.stat().st_size
    for _ in range(count):
        name = _string(file)
        (rank,) = _read(file, "<B")
        shape = _read(file, f"<{rank}I")
        dtype, size_bytes = _read(file, "<BI")
        offset = file.tell()
        if offset + size_bytes > end:
            raise WeightsError(f"{path} is cut: {end} bytes are not all of it")
        yield Ct2Variable(name, shape, dtype, offset, size_bytes)
        file.seek(offset + size_bytes)


def ct2_aliases(file: BinaryIO) -> dict[str, str]:
    """Second names of variables, by that name; the file stands behind the last variable."""
    (count,) = _read(file, "<I")
    return {_string(file): _string(file) for _ in range(count)}


def _string(file: BinaryIO) -> str:
    (length,) = _read(file, "<H")
    data = file.read(length)
    if len(data) != length:
        raise struct.error("the end of the file")
    return data.rstrip(b"\0").decode("utf-8")


def _read(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def safetensors_files(folder: Path) -> list[Path]:
    """The weights of a transformers folder: one file, or all that its index names.

    Raises WeightsError where the index cannot be read; the files may be missing.
    """
    if (folder / SAFETENSORS).is_file():
        return [folder / SAFETENSORS]
    index = folder / SAFETENSORS_INDEX
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(f"{index} cannot be read: {error}") from error
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise WeightsError(f"{index} names files outside its folder")
    return [folder / name for name in sorted(names)]


def safetensors_weights(files: list[Path]) -> Weights:
    """Of all files together. Raises WeightsError, OSError."""
    shapes: dict[str, Shape] = {}
    for path in files:
        shapes |= _safetensors_shapes(path)
    size_bytes = sum(path.stat().st_size for path in files)
    return _weights(files[0], shapes, _CONVOLUTION, _EMBEDDINGS, size_bytes)


def _safetensors_shapes(path: Path) -> dict[str, Shape]:
    end = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = _read(file, "<Q")
            header = json.loads(file.read(min(length, _MAX_HEADER_BYTES)))
        header.pop("__metadata__", None)
        data_bytes = max(entry["data_offsets"][1] for entry in header.values())
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (struct.error, ValueError, KeyError, AttributeError, TypeError) as error:
        raise WeightsError(f"{path} is damaged: its header cannot be read") from error
    if 8 + length + data_bytes != end:
        raise WeightsError(f"{path} is cut: {end} bytes instead of {8 + length + data_bytes}")
    return shapes


def _weights(
    path: Path, shapes: dict[str, Shape], convolution: str, embeddings: str, size_bytes: int
) -> Weights:
    conv, embedded = shapes.get(convolution, ()), shapes.get(embeddings, ())
    if len(conv) != 3 or len(embedded) != 2:
        raise WeightsError(f"{path} is not a Whisper model: it has no {convolution}")
    return Weights(
        n_mels=conv[1],
        vocab_size=embedded[0],
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        size_bytes=size_bytes,
    )
