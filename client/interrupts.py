"""Ctrl-C, and what else asks a program to end, once and twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, TextIO

from client.exports import ExportError

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
"""SIGHUP: the terminal was closed; SIGBREAK: the same on Windows, where there is no SIGHUP."""


class Interrupts:
    """Ctrl-C calls `first` in the loop once; a second one calls `last` and ends the process.

    `last` runs whatever the loop is waiting for; the exit status is `status`. An ExportError
    goes to `err`. Each of SIGNALS counts as Ctrl-C, but for those that are ignored (nohup).
    """

    def __init__(
        self,
        first: Callable[[], object],
        last: Callable[[], object],
        status: int,
        err: TextIO,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._first = first
        self._last = last
        self._status = status
        self._err = err
        self._interrupted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in SIGNALS:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        if self._interrupted:
            try:
                self._last()
            except ExportError as error:
                self._err.write(f"Error: {error}\n")
                self._err.flush()
            finally:
                os._exit(self._status)
        self._interrupted = True
        self._loop.call_soon_threadsafe(self._first)
