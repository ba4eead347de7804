"""SIGHUP: read tokens and certificate again, or end with the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable

logger = logging.getLogger(__name__)


def watch_hangup(reload: Callable[[], object], stop: Callable[[], object]) -> None:
    """Have SIGHUP call `reload`, on the running loop; not on Windows, which has none.

    A terminal that is closed sends it, too: a server that was started there stops.
    """
    if not hasattr(signal, "SIGHUP"):
        return
    terminal = _terminal()

    def on_hangup() -> None:
        if terminal is not None and not os.isatty(terminal):
            logger.info("the terminal is gone")
            stop()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)


def _terminal() -> int | None:
    """The terminal that the server was started at, if it was and is not to outlive it."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
        return None
    try:
        return next((n for n in (sys.stdin.fileno(), sys.stdout.fileno()) if os.isatty(n)), None)
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        return None
