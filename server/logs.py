"""Logging: the console for people, `server.log` for `tail -f`. No transcript, no audio."""

from __future__ import annotations

import logging
import logging.handlers
import sys

MAX_LOG_BYTES = 5_000_000
LOG_FILES_KEPT = 3


def set_up_logging(level: str, log_file: str) -> None:
    """Log to stderr and, if named, to a rotated file."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    layout = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(layout)
    root.addHandler(console)
    # the library reports every refused handshake of a port scanner as a stack trace
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    for library in ("httpx", "httpx2"):  # every request, with the signed address of each file
        logging.getLogger(library).setLevel(logging.WARNING)
    if not log_file:
        return
    try:
        file = logging.handlers.RotatingFileHandler(
            log_file, maxBytes=MAX_LOG_BYTES, backupCount=LOG_FILES_KEPT, encoding="utf-8"
        )
    except OSError as error:
        logging.getLogger(__name__).warning(
            "no log file: cannot write %s (%s)", log_file, error.strerror
        )
        return
    file.setFormatter(layout)
    root.addHandler(file)
