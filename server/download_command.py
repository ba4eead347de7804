"""`--download ID`: fetch a model's files, with a bar."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from asr.download import ModelDownloader
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.transfer import Transfer
from asr.types import ModelFormat, ModelSpec
from server.download_view import View, view_on
from server.resources import SERVER_SCRIPT, catalogue_of, command_line
from server.settings import Settings

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def download(model_id: str, settings: Settings) -> int:
    """Fetch a model of the catalogue (blocking). The exit status.

    Raises CatalogueError.
    """
    catalogue = catalogue_of(settings)
    spec = catalogue.get(model_id)
    if spec is None:
        known = "".join(f"\n  {known.id:<26} {known.name}" for known in catalogue.values())
        sys.stderr.write(f"Error: no model {model_id!r} in the catalogue; there are:{known}\n")
        return USAGE
    cancelled = threading.Event()
    downloader = ModelDownloader(offline=settings.offline)
    with _signals_set(cancelled):
        return DownloadCommand(downloader, sys.stdout, sys.stderr).run(spec, cancelled)


class DownloadCommand:
    """Fetches a model and tells of it. `columns` is for a terminal that does not say its width."""

    def __init__(
        self,
        downloader: ModelDownloader,
        out: TextIO,
        err: TextIO,
        columns: int | None = None,
    ) -> None:
        self._downloader = downloader
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
            telling = _Telling(spec, lambda: stack.enter_context(view), self._say)
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
            check_model_dir(folder)
        except EngineError as error:
            self._err.write(f"Error: it cannot be used yet: {error.message}\n")
            return FAILED
        self._say(f"To use it:\n  {command_line(SERVER_SCRIPT)} --model {spec.id}")
        return OK

    def _say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()


class _Telling:
    """Opens the view at the first progress, unless that says that all is there."""

    def __init__(
        self, spec: ModelSpec, open_view: Callable[[], View], say: Callable[[str], None]
    ) -> None:
        self._spec = spec
        self._open_view = open_view
        self._say = say
        self._view: View | None = None
        self.was_complete = False

    def show(self, transfer: Transfer) -> None:
        """How far it has come."""
        if self._view is None and transfer.done_bytes == transfer.total_bytes:
            self.was_complete = True
            return
        if self._view is None:
            rest = " (going on where an earlier try ended)" if transfer.done_bytes else ""
            self._say(f"Downloading {self._spec.id} from {self._spec.repo}{rest}")
            self._view = self._open_view()
        self._view.show(transfer)


@contextmanager
def _signals_set(cancelled: threading.Event) -> Iterator[None]:
    """Ctrl-C (and what else ends a program) ends the download; a second one the process."""

    def on_signal(number: int, _: object) -> None:
        cancelled.set()
        signal.signal(number, signal.SIG_DFL)

    before: dict[int, Any] = {}
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
