"""Ctrl-C, once and twice, and what else asks a program to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Those that the system has: a terminal or console that is closed asks, too."""


class Interrupts:
    """Ctrl-C calls `first` in the loop once; a second one calls `last` and ends the process.

    `last` runs whatever the loop is waiting for; the exit status is `status`.
    """

    def __init__(
        self, first: Callable[[], object], last: Callable[[], object], status: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._first = first
        self._last = last
        self._status = status
        self._interrupted = False

    def __enter__(self) -> None:
        present = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        self._before = {number: signal.signal(number, self._on_signal) for number in present}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        if self._interrupted:
            try:
                self._last()
            finally:
                os._exit(self._status)
        self._interrupted = True
        self._loop.call_soon_threadsafe(self._first)
