"""What `--download` and `--convert` have in common: exit statuses, signals, words."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from asr.transfer import Transfer
from asr.types import ModelSpec
from server.download_view import View
from server.resources import catalogue_of
from server.settings import Settings

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def chosen(model_id: str, settings: Settings) -> ModelSpec | None:
    """A model of the catalogue; None, after words on standard error, where there is no such.

    Raises CatalogueError.
    """
    catalogue = catalogue_of(settings)
    spec = catalogue.get(model_id)
    if spec is None:
        known = "".join(f"\n  {known.id:<26} {known.name}" for known in catalogue.values())
        sys.stderr.write(f"Error: no model {model_id!r} in the catalogue; there are:{known}\n")
    return spec


class Telling:
    """Opens a view at the first progress, unless that says that all is there.

    `headline` is said before it; it is given how much an earlier try brought.
    """

    def __init__(
        self,
        headline: Callable[[int], str],
        open_view: Callable[[], View],
        say: Callable[[str], None],
    ) -> None:
        self._headline = headline
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
            self._say(self._headline(transfer.done_bytes))
            self._view = self._open_view()
        self._view.show(transfer)


@contextmanager
def signals_set(cancelled: threading.Event) -> Iterator[None]:
    """Ctrl-C (and what else ends a program) sets `cancelled`; a second one ends the process."""

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
