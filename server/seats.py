"""Places in sessions that outlive their connections, by resume token. Pure.

A seat is TAKEN while a connection has it, AWAY after that was lost, and GONE once its client left
for good, or did not come back in time.
"""

from __future__ import annotations

import logging
from collections import Counter
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
    """One client's place. `holder` is what is kept for it; `key` is what its client must match.

    `owner` is who shares the bound of seats that are away with its others; `speaks`: it has a
    stream, which is finished if the seat is given up.
    """

    name: str
    token: str
    key: str
    holder: HolderT
    owner: str
    speaks: bool
    state: SeatState = SeatState.TAKEN
    away_since_s: float = 0.0

    def become(self, state: SeatState, reason: str) -> None:
        """The one place where a seat changes its state."""
        logger.info("seat %s: %s -> %s (%s)", self.name, self.state.value, state.value, reason)
        self.state = state


class Seats(Generic[HolderT]):
    """All seats that can be come back to.

    Bound: 256 of speakers away, and 256 of others, so that nobody who listens costs a speaker its
    place. Overflow: of the owner that has the most of that kind away, the one that is away longest
    is given up.
    """

    def __init__(self, keep_s: float, make_token: Callable[[], str]) -> None:
        self.keep_s = keep_s
        self._make_token = make_token
        self._by_token: dict[str, Seat[HolderT]] = {}

    @property
    def away(self) -> int:
        """How many wait for their client."""
        return len(self._away())

    def open(
        self, name: str, key: str, holder: HolderT, *, owner: str, speaks: bool
    ) -> Seat[HolderT]:
        """A new seat, taken."""
        seat = Seat(name, self._make_token(), key, holder, owner, speaks)
        self._by_token[seat.token] = seat
        return seat

    def find(self, token: str, key: str) -> Seat[HolderT] | None:
        """The seat of a token, for the client that it was given to; it may still be taken."""
        seat = self._by_token.get(token)
        return seat if seat is not None and seat.key == key else None

    def take(self, seat: Seat[HolderT], holder: HolderT, *, owner: str, speaks: bool) -> None:
        """Its client is back, maybe from elsewhere, maybe only to listen."""
        seat.holder, seat.owner, seat.speaks = holder, owner, speaks
        seat.become(SeatState.TAKEN, "resumed")

    def leave(self, seat: Seat[HolderT], now_s: float) -> list[Seat[HolderT]]:
        """Its connection was lost. Returns seats to be given up instead."""
        if seat.state is not SeatState.TAKEN:
            return []
        seat.away_since_s = now_s
        seat.become(SeatState.AWAY, "connection lost")
        rivals = [s for s in self._away() if s.speaks is seat.speaks]
        if len(rivals) <= MAX_AWAY:
            return []
        shares = Counter(s.owner for s in rivals)
        last = max(rivals, key=lambda s: (shares[s.owner], -s.away_since_s))
        return self._give_up([last], "too many are away")

    def close(self, seat: Seat[HolderT], reason: str) -> None:
        """Its client left for good."""
        if self._by_token.pop(seat.token, None) is not None:
            seat.become(SeatState.GONE, reason)

    def expired(self, now_s: float) -> list[Seat[HolderT]]:
        """Give up seats whose client did not come back in time."""
        late = [s for s in self._away() if now_s - s.away_since_s >= self.keep_s]
        return self._give_up(late, "did not come back")

    def revoke(self, gone: Callable[[HolderT], bool]) -> list[Seat[HolderT]]:
        """Give up seats whose client is away and would not be let in any more."""
        return self._give_up([s for s in self._away() if gone(s.holder)], "token gone")

    def _away(self) -> list[Seat[HolderT]]:
        return [seat for seat in self._by_token.values() if seat.state is SeatState.AWAY]

    def _give_up(self, seats: list[Seat[HolderT]], reason: str) -> list[Seat[HolderT]]:
        for seat in seats:
            self.close(seat, reason)
        return seats
