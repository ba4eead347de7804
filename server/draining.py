"""How the server ends, and how long each step may take. Pure: times are the caller's.

SERVING -> DRAINING -> CLOSING -> CLOSED. Draining lasts until every final is out, `drain_s` at
most; closing until every connection and model is, `CLOSING_S` at most. A signal that comes again
ends the process at once.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Final

logger = logging.getLogger(__name__)

SAME_STOP_S: Final = 0.5
"""A terminal and a wrapper may both pass on one Ctrl-C."""

CLOSING_S: Final = 4.0
"""Longest way from the last final to the end of the process: the steps below, and what Python and
a busy machine take."""
FLUSH_S: Final = 0.8
"""For clients to read what was sent last."""
HANDSHAKE_S: Final = 1.0
"""For clients to answer a close; then they are cut off, which takes as long at most."""
ENGINE_S: Final = 0.2
"""For decodes under way, whose texts nobody waits for any more."""


class DrainState(Enum):
    """How far the server is on its way out."""

    SERVING = "serving"
    DRAINING = "draining"
    """No more audio is taken; what was accepted becomes finals."""
    CLOSING = "closing"
    """Nothing more is decoded; connections close."""
    CLOSED = "closed"


class StopCause(Enum):
    """Who asked the server to end, and so what clients are to expect: the close code says it."""

    PERSON = 1001
    """Ctrl-C: going away."""
    SUPERVISOR = 1012
    """SIGTERM, as of systemd or Docker: the service restarts."""

    @property
    def close_code(self) -> int:
        """The code of the WebSocket protocol that connections close with."""
        return self.value


class StopOrder(Enum):
    """What a request to end means."""

    DRAIN = "drain"
    NOTHING = "nothing"
    """It is the same request once more."""
    END_AT_ONCE = "end at once"


class Draining:
    """Inputs are methods. What is to be done is what the state and `left_s` say."""

    def __init__(self, drain_s: float) -> None:
        self.drain_s = drain_s
        self.state = DrainState.SERVING
        self.cause = StopCause.PERSON
        self._asked_s = 0.0

    @property
    def longest_s(self) -> float:
        """From the first signal to the end of the process."""
        return self.drain_s + CLOSING_S

    def stop(self, cause: StopCause, now_s: float) -> StopOrder:
        """The server is asked to end."""
        if self.state is DrainState.SERVING:
            self.cause = cause
            self._asked_s = now_s
            self._become(DrainState.DRAINING, f"asked to by a {cause.name.lower()}")
            return StopOrder.DRAIN
        same = now_s - self._asked_s <= SAME_STOP_S
        return StopOrder.NOTHING if same else StopOrder.END_AT_ONCE

    def left_s(self, now_s: float) -> float:
        """How long the present step may go on."""
        limit_s = self.drain_s if self.state is DrainState.DRAINING else self.longest_s
        return max(0.0, self._asked_s + limit_s - now_s)

    def drained(self) -> None:
        """Every final is out."""
        self._close("every final is out")

    def late(self) -> None:
        """No time is left, and something is still to be decoded."""
        self._close("no time is left")

    def closed(self) -> None:
        """Every connection is closed, or there never was one."""
        if self.state is not DrainState.CLOSED:
            self._become(DrainState.CLOSED, "the end")

    def _close(self, reason: str) -> None:
        if self.state is DrainState.DRAINING:
            self._become(DrainState.CLOSING, reason)

    def _become(self, state: DrainState, reason: str) -> None:
        logger.info("server: %s -> %s (%s)", self.state.value, state.value, reason)
        self.state = state
