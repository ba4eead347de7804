"""How long a connection may stay, and when it is warned. Pure: times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

WARNING_S: Final = 60.0
"""So long before its end a connection is warned, or at half time where that is later."""


class StayStep(Enum):
    """What is due."""

    WAIT = "wait"
    WARN_IDLE = "warn idle"
    CLOSE_IDLE = "close idle"
    WARN_END = "warn end"
    END = "end"


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now, and in how many seconds there is something to look at; None: never."""

    step: StayStep
    left_s: float | None


class Stay:
    """One connection's time. `idle_s` and `longest_s`: 0 is no limit."""

    def __init__(self, idle_s: float, longest_s: float, began_s: float) -> None:
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._began_s = began_s
        self._end_warned = False
        self._idle_warned_s: float | None = None

    def due(self, now_s: float, used_s: float) -> Due:
        """What is due, for a connection on which the last message went at `used_s`."""
        dues = [due for due in (self._end_due(now_s), self._idle_due(now_s, used_s)) if due]
        for due in dues:
            if due.step is not StayStep.WAIT:
                return due
        waits = [due.left_s for due in dues if due.left_s is not None]
        return Due(StayStep.WAIT, min(waits, default=None))

    def warned_of_idleness(self, now_s: float) -> None:
        """The warning is out; what goes after now makes it void."""
        self._idle_warned_s = now_s

    def warned_of_end(self) -> None:
        """The warning is out."""
        self._end_warned = True

    def _end_due(self, now_s: float) -> Due | None:
        if self._longest_s <= 0:
            return None
        left_s = self._began_s + self._longest_s - now_s
        if left_s <= 0:
            return Due(StayStep.END, 0.0)
        to_warning_s = left_s - _ahead_s(self._longest_s)
        if self._end_warned or to_warning_s > 0:
            return Due(StayStep.WAIT, left_s if self._end_warned else to_warning_s)
        return Due(StayStep.WARN_END, left_s)

    def _idle_due(self, now_s: float, used_s: float) -> Due | None:
        if self._idle_s <= 0:
            return None
        ahead_s = _ahead_s(self._idle_s)
        if self._idle_warned_s is not None and used_s <= self._idle_warned_s:
            left_s = self._idle_warned_s + ahead_s - now_s
            return Due(StayStep.WAIT if left_s > 0 else StayStep.CLOSE_IDLE, max(0.0, left_s))
        self._idle_warned_s = None
        to_warning_s = used_s + self._idle_s - ahead_s - now_s
        if to_warning_s > 0:
            return Due(StayStep.WAIT, to_warning_s)
        return Due(StayStep.WARN_IDLE, ahead_s)


def _ahead_s(limit_s: float) -> float:
    return min(WARNING_S, limit_s / 2)
