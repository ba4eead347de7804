"""Who is connected, and whether somebody more may be. Pure: exact counts, no clock, no sockets.

A visit is PENDING from the TCP connection to the end of the handshake, then ADMITTED, and GONE
once the connection is lost, whatever else went wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Limit(Enum):
    """What can be full. The value is the reason of a refusal."""

    PENDING = "too_many_handshakes"
    ADDRESS = "too_many_from_address"
    CONNECTIONS = "too_many_connections"
    SESSIONS = "too_many_sessions"
    STREAMS = "too_many_streams"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most of each; 0 is no bound."""

    pending_per_address: int = 0
    per_address: int = 0
    connections: int = 0
    sessions: int = 0
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    remote: str
    session: str
    stream: bool
    """It wants to send audio."""
    returning: bool = False
    """It says that it has a place already."""


class Stage(Enum):
    """How far a visit has come."""

    PENDING = "pending"
    ADMITTED = "admitted"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class Visit:
    """One TCP connection. `remote` is where it comes from, before any proxy's word for it."""

    remote: str
    stage: Stage = Stage.PENDING
    wish: Wish | None = None


class Roll:
    """Counts visits. What others know of sessions and streams comes in with each question."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._pending: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()
        self._sessions: Counter[str] = Counter()
        self.streams = 0
        self.connections = 0

    def arrive(self, remote: str) -> Visit | None:
        """A TCP connection; None if too many of its address have not said what they want yet."""
        bound = self.bounds.pending_per_address
        if bound and self._pending[remote] >= bound:
            return None
        self._pending[remote] += 1
        return Visit(remote)

    def admit(self, visit: Visit, wish: Wish) -> None:
        """The handshake of a visit was accepted."""
        if visit.stage is not Stage.PENDING:
            return
        visit.stage, visit.wish = Stage.ADMITTED, wish
        _take(self._pending, visit.remote)
        self._count(wish)

    def _count(self, wish: Wish) -> None:
        self.connections += 1
        self._addresses[wish.remote] += 1
        self.streams += wish.stream
        self._sessions[wish.session] += 1

    def change(self, visit: Visit, wish: Wish) -> None:
        """More is known of what an admitted visit is for."""
        if visit.stage is Stage.ADMITTED and visit.wish is not None:
            self._uncount(visit.wish)
            visit.wish = wish
            self._count(wish)

    def leave(self, visit: Visit) -> None:
        """The connection of a visit is lost."""
        stage, visit.stage = visit.stage, Stage.GONE
        if stage is Stage.PENDING:
            _take(self._pending, visit.remote)
        if stage is Stage.ADMITTED and visit.wish is not None:
            self._uncount(visit.wish)

    def _uncount(self, wish: Wish) -> None:
        self.connections -= 1
        _take(self._addresses, wish.remote)
        self.streams -= wish.stream
        _take(self._sessions, wish.session)

    @property
    def pending(self) -> int:
        """TCP connections that have not said what they want."""
        return self._pending.total()

    def full_for(self, wish: Wish, sessions: Collection[str], streams: int) -> Limit | None:
        """What forbids this, None if nothing does.

        `sessions` and `streams` are those that live on without a connection, too.
        """
        bounds = self.bounds
        if bounds.per_address and self._addresses[wish.remote] >= bounds.per_address:
            return Limit.ADDRESS
        if bounds.connections and self.connections >= bounds.connections:
            return Limit.CONNECTIONS
        return None if wish.returning else self._full_inside(wish, sessions, streams, 0)

    def full_inside(self, visit: Visit, sessions: Collection[str], streams: int) -> Limit | None:
        """As `full_for`, for a visit that was admitted as returning and has no place after all."""
        if visit.wish is None:
            return None
        return self._full_inside(visit.wish, sessions, streams, 1)

    def _full_inside(
        self, wish: Wish, sessions: Collection[str], streams: int, own: int
    ) -> Limit | None:
        """`own` of the counted visits is that of the wish itself."""
        bounds = self.bounds
        if bounds.sessions and wish.session not in sessions:
            new = self._sessions[wish.session] <= own
            if new and self._session_count(sessions) - own >= bounds.sessions:
                return Limit.SESSIONS
        if wish.stream and bounds.streams and max(self.streams - own, streams) >= bounds.streams:
            return Limit.STREAMS
        return None

    def reached(self, sessions: Collection[str], streams: int) -> list[Limit]:
        """Which bounds are reached now, for some address or for all."""
        bounds = self.bounds
        counts = (
            (Limit.PENDING, bounds.pending_per_address, max(self._pending.values(), default=0)),
            (Limit.ADDRESS, bounds.per_address, max(self._addresses.values(), default=0)),
            (Limit.CONNECTIONS, bounds.connections, self.connections),
            (Limit.SESSIONS, bounds.sessions, self._session_count(sessions)),
            (Limit.STREAMS, bounds.streams, max(self.streams, streams)),
        )
        return [limit for limit, bound, count in counts if bound and count >= bound]

    def _session_count(self, sessions: Collection[str]) -> int:
        return len(sessions) + sum(name not in sessions for name in self._sessions)


def _take(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
