"""Which connection, session and request a line of the log is about."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

LONGEST_ID = 64
"""Characters of an id that are shown: clients choose theirs."""


def with_fields(**fields: object) -> dict[str, object]:
    """`extra` of a line: what a log of JSON has as fields besides; readable lines say it in words.

    A field is called neither like one that every line has nor like one of an id, but `remote`.
    """
    return {"fields": fields}


class LogIds(logging.Filter):
    """Names what lines are about, and puts that on each record as text: `shown_ids`.

    One for a process: the same for who names and for the handlers of the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ids: ContextVar[Mapping[str, str]] = ContextVar("log ids")

    @contextmanager
    def about(self, **ids: str | None) -> Iterator[None]:
        """Name what the lines written inside, and by tasks begun inside, are about."""
        known = {name: value[:LONGEST_ID] for name, value in ids.items() if value is not None}
        token = self._ids.set({**self.current(), **known})
        try:
            yield
        finally:
            self._ids.reset(token)

    def current(self) -> Mapping[str, str]:
        """The ids in force."""
        return self._ids.get({})

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        shown = " ".join(self.current().values())
        record.shown_ids = f" [{shown}]" if shown else ""
        return True
