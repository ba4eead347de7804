"""Transcripts as files: checked before anything is recorded, written whole or not at all."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from client.subtitles import WordBreaker, json_text, srt, txt, vtt
from client.thai_text import clusters
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
        if len({path.absolute() for path in self._paths.values()}) < len(self._paths):
            raise ExportError("two of the files to write are the same")
        for path in self._paths.values():
            if path.exists() and not path.is_file():
                raise ExportError(f"cannot write {path}: it is a folder or a device")
            try:
                with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
                    pass
            except OSError as error:
                raise ExportError(f"cannot write {path}: {error.strerror or error}") from error

    def write(self, finals: Sequence[FinalTranscription]) -> list[Path]:
        """Write all of them; the paths. Raises ExportError."""
        failures = []
        for kind, path in self._paths.items():
            try:
                _replace(path, render(kind, finals))
            except OSError as error:
                failures.append(f"cannot write {path}: {error.strerror or error}")
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
    """Write beside the file, then take its place: a reader never sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    try:
        beside.replace(path)
    except OSError as error:  # on Windows: another program has the file open
        raise OSError(f"{error.strerror or error}; the text is in {beside}") from error
