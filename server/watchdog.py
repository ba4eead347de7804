"""When the server is degraded, and what is tried against it. Pure.

Looked at every second or so. A fault is told once when it appears and once when it is over. A model
that is lost or hangs is opened anew: at once, then after `FIRST_WAIT_S`, each time twice as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 300.0
MOST_HANGING_COPIES: Final = 2
"""A model whose decodes hang stays in memory for good: only so many are given up for a new one."""


class Fault(Enum):
    """Why the server is degraded. Values are stable, for notices and metrics."""

    ENGINE_LOST = "engine_lost"
    DECODES_HANG = "decodes_hang"
    NO_TEXT = "no_text"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is seen of the server."""

    now_s: float
    model_id: str | None
    """The model that answers, None while there is none."""
    engine_lost: bool = False
    """Its engine has said that it decodes nothing any more."""
    stuck: bool = False
    """Every decode of it hangs."""
    text_wait_s: float = 0.0
    """For how long somebody who has spoken has been told nothing."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A fault appeared."""

    fault: Fault
    message: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """A fault is over."""

    fault: Fault
    after_s: float


@dataclass(frozen=True, slots=True)
class Reopen:
    """Open this model anew; report `reopened` when that has ended, well or not."""

    model_id: str
    lost: bool


Effect: TypeAlias = Degraded | Recovered | Reopen


class Watchdog:
    """`no_text_s`: how long may pass after speech without a word about it."""

    def __init__(self, no_text_s: float) -> None:
        self._no_text_s = no_text_s
        self._since_s: dict[Fault, float] = {}
        self._reopening = False
        self._due_s = 0.0
        self._wait_s = FIRST_WAIT_S
        self._hanging_copies = 0

    @property
    def faults(self) -> frozenset[Fault]:
        """Those there are."""
        return frozenset(self._since_s)

    def look(self, seen: Sighting) -> list[Effect]:
        """Judge what is seen now."""
        found = self._find(seen)
        effects: list[Effect] = [
            Recovered(fault, seen.now_s - since_s)
            for fault, since_s in self._since_s.items()
            if fault not in found
        ]
        effects += [
            Degraded(fault, message)
            for fault, message in found.items()
            if fault not in self._since_s
        ]
        self._since_s = {fault: self._since_s.get(fault, seen.now_s) for fault in found}
        return [*effects, *self._reopen(seen)]

    def reopened(self, now_s: float) -> None:
        """A model was opened anew, or could not be."""
        self._reopening = False
        self._due_s = now_s + self._wait_s
        self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)

    def _find(self, seen: Sighting) -> dict[Fault, str]:
        found: dict[Fault, str] = {}
        if seen.model_id is None:
            return found
        if seen.engine_lost:
            found[Fault.ENGINE_LOST] = (
                f"model {seen.model_id} broke and could not be opened again; it is tried again"
            )
        if seen.stuck:
            found[Fault.DECODES_HANG] = f"every decode of model {seen.model_id} hangs; " + (
                "it is opened anew"
                if self._hanging_copies < MOST_HANGING_COPIES
                else "restart the server"
            )
        if seen.text_wait_s >= self._no_text_s:
            found[Fault.NO_TEXT] = (
                f"audio comes in and no text goes out: somebody who has spoken has been told "
                f"nothing for {self._no_text_s:.0f} s"
            )
        return found

    def _reopen(self, seen: Sighting) -> list[Effect]:
        if not self.faults & {Fault.ENGINE_LOST, Fault.DECODES_HANG}:
            if not self._reopening and seen.now_s >= self._due_s:
                self._wait_s = FIRST_WAIT_S
            return []
        lost = Fault.ENGINE_LOST in self.faults
        hopeless = not lost and self._hanging_copies >= MOST_HANGING_COPIES
        if seen.model_id is None or self._reopening or hopeless or seen.now_s < self._due_s:
            return []
        self._reopening = True
        self._hanging_copies += not lost
        return [Reopen(seen.model_id, lost)]
