"""Signals that end the server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from server.draining import StopCause

CAUSES = (
    ("SIGINT", StopCause.PERSON),
    ("SIGTERM", StopCause.SUPERVISOR),
    ("SIGBREAK", StopCause.PERSON),
)
"""SIGBREAK is Ctrl-Break, and a console window that is closed, on Windows."""


def watch_signals(on_signal: Callable[[StopCause], None]) -> None:
    """Have each of them call `on_signal`, on the running loop."""
    loop = asyncio.get_running_loop()
    for name, cause in CAUSES:
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, on_signal, cause)
        except NotImplementedError:  # Windows: handlers run in the main thread
            signal.signal(number, partial(_wake, loop, on_signal, cause))


def _wake(
    loop: asyncio.AbstractEventLoop,
    on_signal: Callable[[StopCause], None],
    cause: StopCause,
    *_: object,
) -> None:
    loop.call_soon_threadsafe(on_signal, cause)
