"""`--download ID`: fetch a model's files, with a bar."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from asr.download import ModelDownloader
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.prepared import prepare_model_dir
from asr.types import ModelFormat, ModelSpec
from server.download_view import view_on
from server.engines import cache_dir_of
from server.model_commands import (
    FAILED,
    INTERRUPTED,
    OK,
    USAGE,
    Telling,
    chosen,
    signals_set,
)
from server.resources import SERVER_SCRIPT, command_line
from server.settings import Settings


def download(model_id: str, settings: Settings) -> int:
    """Fetch a model of the catalogue (blocking). The exit status.

    Raises CatalogueError.
    """
    spec = chosen(model_id, settings)
    if spec is None:
        return USAGE
    cancelled = threading.Event()
    downloader = ModelDownloader(offline=settings.offline)
    command = DownloadCommand(downloader, cache_dir_of(settings), sys.stdout, sys.stderr)
    with signals_set(cancelled):
        return command.run(spec, cancelled)


class DownloadCommand:
    """Fetches a model and tells of it. `columns` is for a terminal that does not say its width.

    `cache_dir` is where files that a model lacks are made.
    """

    def __init__(
        self,
        downloader: ModelDownloader,
        cache_dir: Path,
        out: TextIO,
        err: TextIO,
        columns: int | None = None,
    ) -> None:
        self._downloader = downloader
        self._cache_dir = cache_dir
        self._out = out
        self._err = err
        self._columns = columns

    def run(self, spec: ModelSpec, cancelled: threading.Event) -> int:
        """The exit status."""
        if spec.embedded:
            self._say(f"{spec.id} comes with the server: there is nothing to download.")
            return OK
        if spec.path is not None:
            self._say(f"{spec.id} lies in {spec.path}: there is nothing to download.")
            return OK
        with ExitStack() as stack:
            view = view_on(self._out, self._columns)
            telling = Telling(
                lambda done_bytes: _headline(spec, done_bytes),
                lambda: stack.enter_context(view),
                self._say,
            )
            try:
                folder = self._downloader.download(spec, telling.show, cancelled)
            except EngineError as error:
                failure = error
            else:
                stack.close()
                done = "is there already" if telling.was_complete else "is there"
                self._say(f"{spec.id} {done}:\n  {folder}")
                return self._say_what_next(spec, folder)
        return self._say_why_not(spec, failure)

    def _say_why_not(self, spec: ModelSpec, error: EngineError) -> int:
        if error.code == "cancelled":
            again = f"{command_line(SERVER_SCRIPT)} --download {spec.id}"
            self._say(
                "Stopped. What was fetched is kept; the same command goes on from there:\n"
                f"  {again}"
            )
            return INTERRUPTED
        self._err.write(f"Error: {error.message}\n")
        return FAILED

    def _say_what_next(self, spec: ModelSpec, folder: Path) -> int:
        if spec.format is ModelFormat.TRANSFORMERS:
            self._say(
                "It still has to be converted, once:\n"
                f"  {command_line(SERVER_SCRIPT)} --convert {spec.id}"
            )
            return OK
        try:
            check_model_dir(prepare_model_dir(spec, folder, self._cache_dir))
        except EngineError as error:
            self._err.write(f"Error: it cannot be used yet: {error.message}\n")
            return FAILED
        self._say(f"To use it:\n  {command_line(SERVER_SCRIPT)} --model {spec.id}")
        return OK

    def _say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()


def _headline(spec: ModelSpec, done_bytes: int) -> str:
    rest = " (going on where an earlier try ended)" if done_bytes else ""
    terms = f"\n{spec.terms}" if spec.terms else ""
    return f"Downloading {spec.id} from {spec.repo}{rest}\nLicence: {spec.licence}{terms}"
