"""Logging: the console for people, `server.log` for `tail -f`. No transcript, no audio."""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
from datetime import UTC, datetime
from enum import Enum

from server.log_ids import LogIds
from server.presenter import timestamp

MAX_LOG_BYTES = 5_000_000
LOG_FILES_KEPT = 3


class LogFormat(Enum):
    """How a line of the log looks."""

    READABLE = "readable"
    JSON = "json"


def on_one_line(text: str) -> str:
    """The text with what is no printable character escaped: nobody's words begin a line. Pure."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ReadableFormatter(logging.Formatter):
    """A line for people, and an exception's trace below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s%(shown_ids)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line of a record."""
        return on_one_line(super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, ids, the line's own fields.

    Also an exception if any.
    """

    def __init__(self, ids: LogIds) -> None:
        super().__init__()
        self._ids = ids

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": timestamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._ids.current(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        shown = json.dumps(line, ensure_ascii=False)
        return shown if shown.isprintable() else json.dumps(line)


def is_no_stranger(record: logging.LogRecord) -> bool:
    """False for the library's stack trace of each handshake that a port scanner gets wrong. Pure.

    What else the library reports is a fault of the server.
    """
    return record.msg != "opening handshake failed"


class _RotatingFile(logging.handlers.RotatingFileHandler):
    """A log file that cannot be written is said once on the console, and not for every line."""

    def __init__(self, path: str) -> None:
        super().__init__(path, maxBytes=MAX_LOG_BYTES, backupCount=LOG_FILES_KEPT, encoding="utf-8")
        self._told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A line could not be written: the server goes on."""
        if not self._told:
            self._told = True
            error = sys.exc_info()[1]
            sys.stderr.write(f"the log file takes no more lines ({error}); the server goes on\n")


def set_up_logging(
    level: str, log_file: str, log_format: LogFormat = LogFormat.READABLE, ids: LogIds | None = None
) -> None:
    """Log to stderr and, if named, to a rotated file."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    ids = ids or LogIds()
    readable = log_format is LogFormat.READABLE
    layout = ReadableFormatter() if readable else JsonFormatter(ids)
    _add(root, logging.StreamHandler(sys.stderr), layout, ids)
    logging.getLogger("websockets").setLevel(logging.ERROR)
    logging.getLogger("websockets.server").addFilter(is_no_stranger)
    for library in ("httpx", "httpx2"):  # every request, with the signed address of each file
        logging.getLogger(library).setLevel(logging.WARNING)
    if not log_file:
        return
    try:
        file = _RotatingFile(log_file)
    except OSError as error:
        logging.getLogger(__name__).warning(
            "no log file: cannot write %s (%s)", log_file, error.strerror
        )
        return
    _add(root, file, layout, ids)


def _add(
    root: logging.Logger, handler: logging.Handler, layout: logging.Formatter, ids: LogIds
) -> None:
    handler.setFormatter(layout)
    handler.addFilter(ids)
    root.addHandler(handler)
