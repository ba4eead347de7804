"""Places in sessions that outlive their connections, by resume token. Pure.

A seat is TAKEN while a connection has it, AWAY after that was lost, and GONE once its client left
for good, or did not come back in time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

logger = logging.getLogger(__name__)

MAX_AWAY: Final = 256

HolderT = TypeVar("HolderT")


class SeatState(Enum):
    """Whether a connection has the seat."""

    TAKEN = "taken"
    AWAY = "away"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Seat(Generic[HolderT]):
    """One client's place. `holder` is what is kept for it; `key` is what its client must match."""

    name: str
    token: str
    key: str
    holder: HolderT
    state: SeatState = SeatState.TAKEN
    away_since_s: float = 0.0

    def become(self, state: SeatState, reason: str) -> None:
        """The one place where a seat changes its state."""
        logger.info("seat %s: %s -> %s (%s)", self.name, self.state.value, state.value, reason)
        self.state = state


class Seats(Generic[HolderT]):
    """All seats that can be come back to.

    Bound: 256 of them away. Overflow: the one that is away longest is given up.
    """

    def __init__(self, keep_s: float, make_token: Callable[[], str]) -> None:
        self.keep_s = keep_s
        self._make_token = make_token
        self._by_token: dict[str, Seat[HolderT]] = {}

    @property
    def away(self) -> int:
        """How many wait for their client."""
        return sum(seat.state is SeatState.AWAY for seat in self._by_token.values())

    def open(self, name: str, key: str, holder: HolderT) -> Seat[HolderT]:
        """A new seat, taken."""
        seat = Seat(name, self._make_token(), key, holder)
        self._by_token[seat.token] = seat
        return seat

    def find(self, token: str, key: str) -> Seat[HolderT] | None:
        """The seat of a token, for the client that it was given to; it may still be taken."""
        seat = self._by_token.get(token)
        return seat if seat is not None and seat.key == key else None

    def take(self, seat: Seat[HolderT]) -> None:
        """Its client is back."""
        seat.become(SeatState.TAKEN, "resumed")

    def leave(self, seat: Seat[HolderT], now_s: float) -> list[Seat[HolderT]]:
        """Its connection was lost. Returns seats to be given up instead."""
        if seat.state is not SeatState.TAKEN:
            return []
        seat.away_since_s = now_s
        seat.become(SeatState.AWAY, "connection lost")
        away = [s for s in self._by_token.values() if s.state is SeatState.AWAY]
        away.sort(key=lambda s: s.away_since_s)
        return self._give_up(away[: max(0, len(away) - MAX_AWAY)], "too many are away")

    def close(self, seat: Seat[HolderT], reason: str) -> None:
        """Its client left for good."""
        if self._by_token.pop(seat.token, None) is not None:
            seat.become(SeatState.GONE, reason)

    def expired(self, now_s: float) -> list[Seat[HolderT]]:
        """Give up seats whose client did not come back in time."""
        late = [
            seat
            for seat in self._by_token.values()
            if seat.state is SeatState.AWAY and now_s - seat.away_since_s >= self.keep_s
        ]
        return self._give_up(late, "did not come back")

    def _give_up(self, seats: list[Seat[HolderT]], reason: str) -> list[Seat[HolderT]]:
        for seat in seats:
            self.close(seat, reason)
        return seats
