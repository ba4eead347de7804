"""Transcripts as files: checked before anything is recorded, written whole or not at all."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from asr.thai_text import clusters
from client.subtitles import WordBreaker, json_text, srt, txt, vtt
from server.messages import FinalTranscription


class ExportError(Exception):
    """A file that cannot be written. The message is for the user."""


class ExportFormat(Enum):
    """What a transcript can be written as."""

    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"


class Exports:
    """The files that are asked for."""

    def __init__(self, paths: dict[ExportFormat, Path]) -> None:
        self._paths = paths

    def check(self) -> None:
        """Make sure that each file can be written, without touching it. Raises ExportError."""
        if len({path.resolve() for path in self._paths.values()}) < len(self._paths):
            raise ExportError("cannot write two formats to one file: give each its own")
        for path in self._paths.values():
            if path.is_dir():
                raise ExportError(f"cannot write {path}: it is a folder")
            if path.exists() and not path.is_file():
                raise ExportError(f"cannot write {path}: it is no ordinary file")
            try:
                with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
                    pass
            except OSError as error:
                raise ExportError(f"cannot write {path}: {error.strerror or error}") from error

    def write(self, finals: Sequence[FinalTranscription]) -> list[Path]:
        """Write all of them; the paths. Raises ExportError once all were tried."""
        failures = []
        for kind, path in self._paths.items():
            try:
                _replace(path, render(kind, finals))
            except ExportError as error:
                failures.append(str(error))
        if failures:
            raise ExportError("\n".join(failures))
        return list(self._paths.values())


def render(kind: ExportFormat, finals: Sequence[FinalTranscription]) -> str:
    """The text of a file."""
    match kind:
        case ExportFormat.SRT:
            return srt(finals, word_breaker())
        case ExportFormat.VTT:
            return vtt(finals, word_breaker())
        case ExportFormat.TXT:
            return txt(finals)
        case ExportFormat.JSON:
            return json_text(finals)


def word_breaker() -> WordBreaker:
    """PyThaiNLP's dictionary tokenizer; where it is missing, lines may break inside words."""
    os.environ.setdefault("PYTHAINLP_READ_ONLY", "1")  # else importing it makes a folder at home
    try:
        newmm = importlib.import_module("pythainlp.tokenize.newmm")
    except ImportError:
        return clusters

    def words(text: str) -> list[str]:
        found: list[str] = newmm.segment(text, safe_mode=True)
        return found if "".join(found) == text else clusters(text)

    return words


def _replace(path: Path, text: str) -> None:
    """Write beside the file, then take its place: a reader never sees half of it.

    Raises ExportError; where its place cannot be taken, the text stays beside it.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ExportError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        beside.replace(path)
    except OSError as error:
        raise ExportError(
            f"cannot write {path}: {error.strerror or error}. The text is in {beside}"
        ) from error
