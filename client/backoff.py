"""When a lost connection is tried again, and when no more. Pure: times and chance come in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 10.0
GIVE_UP_AFTER_S = 300.0
STABLE_S = 10.0
"""A connection that held this long is no part of an outage: delays begin anew."""


class Phase(Enum):
    """Where a client stands with its server."""

    NEW = "new"
    CONNECTED = "connected"
    WAITING = "waiting"
    LAST_TRY = "last try"
    OVER = "over"


class Backoff:
    """Delays that double, with jitter, from FIRST_DELAY_S to MAX_DELAY_S.

    Gives up GIVE_UP_AFTER_S after an outage began. `jitter` gives numbers from 0 to 1.
    """

    def __init__(self, *, enabled: bool, jitter: Callable[[], float]) -> None:
        self.phase = Phase.NEW
        self._enabled = enabled
        self._jitter = jitter
        self._tries = 0
        self._outage_began_s: float | None = None
        self._connected_s = 0.0
        self._ending = False
        self._tried_last = False

    def connected(self, now_s: float) -> None:
        """A connection stands."""
        self._connected_s = now_s
        self._enter(Phase.CONNECTED)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> float | None:
        """The connection was lost, or could not be made: seconds until the next try, None: none.

        The server asked not to be tried again before `at_least_s`.
        """
        if self.phase is Phase.CONNECTED and now_s - self._connected_s >= STABLE_S:
            self._tries = 0
            self._outage_began_s = None
        if self._outage_began_s is None:
            self._outage_began_s = now_s
        began_s = self._outage_began_s
        given_up = self._tried_last or now_s - began_s >= GIVE_UP_AFTER_S
        if self.phase is Phase.NEW or given_up or not self._enabled:
            self._enter(Phase.OVER)
            return None
        if self._ending:
            self._enter_last_try()
            return 0.0
        self._tries += 1
        longest_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0**self._tries)
        self._enter(Phase.WAITING)
        return at_least_s + FIRST_DELAY_S + self._jitter() * (longest_s - FIRST_DELAY_S)

    def ending(self) -> None:
        """The user ends: one more try, at once, for what was said."""
        self._ending = True
        if self.phase is Phase.WAITING:
            self._enter_last_try()

    def _enter_last_try(self) -> None:
        self._tried_last = True
        self._enter(Phase.LAST_TRY)

    def _enter(self, phase: Phase) -> None:
        logger.debug("connection: %s -> %s", self.phase.value, phase.value)
        self.phase = phase
