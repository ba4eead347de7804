"""Why audio gets no text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A stable code (that of an `error`), and words for people."""

    code: str
    message: str


SHUTTING_DOWN = Problem("shutting_down", "the server shuts down")
