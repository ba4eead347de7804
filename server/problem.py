"""Why audio gets no text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A stable code (that of an `error`), and words for people."""

    code: str
    message: str


SHUTTING_DOWN = Problem("shutting_down", "the server shuts down")
SESSION_OVER = Problem("session_over", "this connection has lasted as long as it may; reconnect")

ENDS = (SHUTTING_DOWN, SESSION_OVER)
"""Ends in good order: no error of its own closes the connection."""
