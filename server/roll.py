"""Who is connected, and whether somebody more may be. Pure: exact counts, no clock, no sockets.

A visit is PENDING from the TCP connection to the end of the handshake, then ADMITTED, and GONE
once the connection is lost, whatever else went wrong. Addresses count by site (`site_of`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from server.access import site_of

KEPT_SHARE: Final = 4
"""A fourth of all streams may be kept for clients of one site that are away, whoever comes."""


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
    session: str | None = None
    """None until it is known who asks, or which place it has: then it is a connection only."""
    stream: bool = False
    """It may send audio."""
    returning: bool = False
    """It says that it has a place already."""


@dataclass(frozen=True, slots=True)
class Living:
    """What there is inside, with or without a connection."""

    sessions: Collection[str] = ()
    streams: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    """Places whose client is away, by site."""
    kept_streams: Mapping[str, int] = field(default_factory=dict)
    """Those of them that may send."""


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
    """Counts visits. What is inside without one comes in with each question."""

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
        site = site_of(remote)
        if bound and self._pending[site] >= bound:
            return None
        self._pending[site] += 1
        return Visit(remote)

    def admit(self, visit: Visit, wish: Wish) -> bool:
        """The handshake of a visit was accepted; whether it counts, for it may be lost already."""
        if visit.stage is not Stage.PENDING:
            return False
        visit.stage, visit.wish = Stage.ADMITTED, wish
        _take(self._pending, site_of(visit.remote))
        self._count(wish)
        return True

    def change(self, visit: Visit, wish: Wish) -> bool:
        """More is known of what an admitted visit is for; whether it counts."""
        if visit.stage is not Stage.ADMITTED or visit.wish is None:
            return False
        self._uncount(visit.wish)
        visit.wish = wish
        self._count(wish)
        return True

    def leave(self, visit: Visit) -> None:
        """The connection of a visit is lost."""
        stage, visit.stage = visit.stage, Stage.GONE
        if stage is Stage.PENDING:
            _take(self._pending, site_of(visit.remote))
        if stage is Stage.ADMITTED and visit.wish is not None:
            self._uncount(visit.wish)

    def _count(self, wish: Wish) -> None:
        self.connections += 1
        self._addresses[site_of(wish.remote)] += 1
        self.streams += wish.stream
        if wish.session is not None:
            self._sessions[wish.session] += 1

    def _uncount(self, wish: Wish) -> None:
        self.connections -= 1
        _take(self._addresses, site_of(wish.remote))
        self.streams -= wish.stream
        if wish.session is not None:
            _take(self._sessions, wish.session)

    @property
    def pending(self) -> int:
        """TCP connections that have not said what they want."""
        return self._pending.total()

    def full_for(self, wish: Wish, living: Living) -> Limit | None:
        """What forbids this at the door, None if nothing does.

        A kept place counts for its address as a connection does, but not against who comes back.
        """
        bounds, site = self.bounds, site_of(wish.remote)
        here = self._addresses[site] + (0 if wish.returning else living.kept.get(site, 0))
        if bounds.per_address and here >= bounds.per_address:
            return Limit.ADDRESS
        if bounds.connections and self.connections >= bounds.connections:
            return Limit.CONNECTIONS
        return self._full_inside(wish, living)

    def full_inside(self, wish: Wish, living: Living) -> Limit | None:
        """As `full_for`, for a visit that counts as a connection already, and has no place."""
        bounds, site = self.bounds, site_of(wish.remote)
        here = self._addresses[site] + living.kept.get(site, 0)
        if bounds.per_address and here > bounds.per_address:
            return Limit.ADDRESS
        return self._full_inside(wish, living)

    def _full_inside(self, wish: Wish, living: Living) -> Limit | None:
        bounds, opens = self.bounds, self._opens(wish.session, living)
        if opens and bounds.sessions and self._session_count(living) >= bounds.sessions:
            return Limit.SESSIONS
        if wish.stream and bounds.streams and self._stream_count(living) >= bounds.streams:
            return Limit.STREAMS
        return None

    def gives_way(self, living: Living) -> str | None:
        """Where all streams are taken: the site of which a kept one gives way to a speaker.

        It is the one that keeps most, if that is more than its share.
        """
        site, count = max(living.kept_streams.items(), key=lambda kept: kept[1], default=("", 0))
        return site if count > max(1, self.bounds.streams // KEPT_SHARE) else None

    def reached(self, living: Living) -> list[Limit]:
        """Which bounds are reached now, for some address or for all."""
        bounds = self.bounds
        here = max((self._addresses + Counter(living.kept)).values(), default=0)
        counts = (
            (Limit.PENDING, bounds.pending_per_address, max(self._pending.values(), default=0)),
            (Limit.ADDRESS, bounds.per_address, here),
            (Limit.CONNECTIONS, bounds.connections, self.connections),
            (Limit.SESSIONS, bounds.sessions, self._session_count(living)),
            (Limit.STREAMS, bounds.streams, self._stream_count(living)),
        )
        return [limit for limit, bound, count in counts if bound and count >= bound]

    def _opens(self, session: str | None, living: Living) -> bool:
        """Whether there would be one session more."""
        if session is None:
            return False
        return session not in living.sessions and session not in self._sessions

    def _session_count(self, living: Living) -> int:
        return len(living.sessions) + sum(name not in living.sessions for name in self._sessions)

    def _stream_count(self, living: Living) -> int:
        """Those of visits and of kept places; or all inside, with those that end just now."""
        return max(self.streams + sum(living.kept_streams.values()), living.streams)


def _take(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
