"""The limits at work: who may come in, how long they stay, and what that is seen by."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus

from asr.models import ModelManager
from asr.scheduler import Scheduler
from server.addresses import DEFAULT_SESSION, Auth, Resume
from server.connection import Connection
from server.failed_handshake import Failure
from server.handshake import Handshake, Refusal
from server.limit_watch import TRY_AGAIN_LATER, LimitWatch
from server.load_watch import LoadWatch
from server.log_ids import with_fields
from server.peer import Peer, Port, Role
from server.porter import Rates
from server.registry import Kept, Session, SessionRegistry
from server.roll import Bounds, Limit, Living, Roll, Visit, Wish
from server.settings import Settings
from server.speaker_guard import NoRoomError, SpeakerGuard
from server.statistics import ServerStatistics
from server.tasks import TaskSet

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 10
OVERLOADED = "overloaded"
OVERLOADED_MESSAGE = (
    "the server has no room for another speaker now: texts would come too late for all; "
    "try again in a few seconds (viewers and control connections are let in)"
)
MESSAGES = {
    Limit.ADDRESS: "too many connections of your address; close some, or try again later",
    Limit.CONNECTIONS: "the server has as many connections as it may; try again later",
    Limit.SESSIONS: "the server has as many sessions as it may; join one, or try again later",
    Limit.STREAMS: "the server has as many speakers as it may; try again later, or listen as a "
    "viewer (role=viewer)",
}


class Guard:
    """All limits of one server. It is the porter of its connections."""

    def __init__(
        self,
        settings: Settings,
        registry: SessionRegistry,
        scheduler: Scheduler,
        models: ModelManager,
        tasks: TaskSet,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._tasks = tasks
        self.statistics = ServerStatistics()
        self._clock = clock
        self._roll = Roll(
            Bounds(
                pending_per_address=settings.max_handshakes_per_address,
                per_address=settings.max_connections_per_address,
                connections=settings.max_connections,
                sessions=settings.max_sessions,
                streams=settings.max_streams,
            )
        )
        self.load = LoadWatch(
            scheduler,
            models,
            self.statistics,
            clock,
            limit_s=settings.admit_latency_s,
            audio_rate=settings.max_audio_rate,
        )
        self._watches: dict[str, LimitWatch] = {}

    # -- at the door --------------------------------------------------------------------------

    def arrive(self, remote: str) -> Visit | None:
        """A TCP connection (Porter)."""
        visit = self._roll.arrive(remote)
        if visit is None:
            self._count_refused(Limit.PENDING.value)
            reason = Limit.PENDING.value
            logger.info(
                "a connection is turned away (%s)",
                reason,
                extra=with_fields(reason=reason, remote=remote),
            )
        return visit

    def admit(self, visit: Visit, handshake: Handshake) -> None:
        """A handshake was accepted (Porter)."""
        wish = _first_wish(handshake)
        if self._roll.admit(visit, wish) and wish.stream:
            self.load.admitted(visit)

    def leave(self, visit: Visit) -> None:
        """A connection is lost (Porter)."""
        self._roll.leave(visit)
        self.load.left(visit)

    def failed(self, visit: Visit, failure: Failure) -> None:
        """A connection never came to a handshake (Porter)."""
        self.statistics.add(f"handshakes_failed_{failure.value}")
        logger.info(
            "a connection without a handshake (%s) of %s",
            failure.value,
            visit.remote,
            extra=with_fields(reason=failure.value, remote=visit.remote),
        )

    def gate(self, handshake: Handshake) -> Handshake | Refusal:
        """Let in whom there is room for. What the handshake names its session counts."""
        wish = _first_wish(handshake)
        limit = self._unless_one_gives_way(self._roll.full_for(wish, self._living()))
        if limit is not None:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            if limit is Limit.ADDRESS:
                status = HTTPStatus.TOO_MANY_REQUESTS
            return _refusal(status, limit.value, MESSAGES[limit])
        if wish.stream and not self.load.has_room():
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, OVERLOADED, OVERLOADED_MESSAGE)
        return handshake

    def came_back(self, connection: Connection, session: Session, *, speaks: bool) -> None:
        """A connection has the place that it had: it counts by that, whatever is full."""
        assert connection.visit is not None
        assert connection.admitted is not None
        key = _key(session.namespace, session.id)
        self._roll.change(connection.visit, Wish(connection.admitted.remote, key, stream=speaks))

    async def late_gate(self, handshake: Handshake, connection: Connection) -> bool:
        """As `gate`, for who could not be judged at the door; who is not let in is closed.

        That is whose token came as first message, and who said that it had a place and has none.
        """
        if not _comes_unknown(handshake):
            return True
        visit, wish = connection.visit, _wish(handshake)
        assert visit is not None
        limit = self._unless_one_gives_way(self._roll.full_inside(wish, self._living()))
        reason = None if limit is None else limit.value
        if reason is None and wish.stream and not self.load.has_room():
            reason = OVERLOADED
        if reason is None:
            if self._roll.change(visit, wish) and wish.stream:
                self.load.admitted(visit)
            return True
        self._count_refused(reason)
        port = handshake.port.value
        logger.info("%s: not let in (%s)", port, reason, extra=with_fields(reason=reason))
        await connection.close(TRY_AGAIN_LATER, f"{reason}; try again later")
        return False

    def _unless_one_gives_way(self, limit: Limit | None) -> Limit | None:
        """Where all streams are taken, too many of them for clients of one site that are away."""
        if limit is not Limit.STREAMS or not self.load.has_room():
            return limit
        site = self._roll.gives_way(self._living())
        if site is None:
            return limit
        of_site = (kept for kept in self._kept_streams() if kept.site == site)
        min(of_site, key=lambda kept: kept.since_s).give_up()
        return None

    def _count_refused(self, reason: str) -> None:
        self.statistics.add("handshakes_refused")
        self.statistics.add(f"handshakes_refused_{reason}")

    # -- inside -------------------------------------------------------------------------------

    def rates(self, port: Port) -> Rates:
        """What a connection of this port may send."""
        settings = self._settings
        messages_per_s = settings.max_control_messages_per_s
        if port is Port.AUDIO:
            messages_per_s = settings.max_audio_messages_per_s
        return Rates(messages_per_s, settings.max_bytes_per_s)

    async def attend(self, connection: Connection, peer: Peer, session: Session) -> None:
        """Watch a connection until cancelled."""
        watch = LimitWatch(
            connection,
            peer,
            session,
            settings=self._settings,
            clock=self._clock,
            statistics=self.statistics,
        )
        self._watches[peer.id] = watch
        self.load.named(connection.visit, peer.id)
        try:
            await watch.run()
        finally:
            watch.end()
            self.load.left(peer.id)
            if self._watches.get(peer.id) is watch:
                del self._watches[peer.id]

    def answers(self, peer_id: str) -> bool:
        """Whether a wrong message of this connection is answered by itself."""
        watch = self._watches.get(peer_id)
        return watch is None or watch.answers()

    def speaker(self, peer_id: str) -> SpeakerGuard:
        """Take note of a speaker until its guard is closed."""
        return self.load.speaker(peer_id, self._refuse_speaker)

    def _refuse_speaker(self, peer_id: str) -> None:
        """Its first audio came when there was no room any more: it is closed. Raises."""
        self.statistics.add(f"streams_refused_{OVERLOADED}")
        watch = self._watches.get(peer_id)
        if watch is not None:
            watch.take_no_more()  # before the task begins, more may be read
            self._tasks.spawn(
                watch.close(OVERLOADED, TRY_AGAIN_LATER, f"{OVERLOADED}; try again later"),
                name=f"refuse {peer_id}",
            )
        raise NoRoomError(OVERLOADED, OVERLOADED_MESSAGE)

    # -- seen from outside --------------------------------------------------------------------

    @property
    def pending_handshakes(self) -> int:
        """TCP connections that have not said what they want."""
        return self._roll.pending

    def reached(self) -> list[str]:
        """Which limits are reached now."""
        return [limit.value for limit in self._roll.reached(self._living())]

    def refusals(self) -> dict[str, int]:
        """Refused handshakes and streams since the start, by reason."""
        found: dict[str, int] = {}
        for name, count in self.statistics.snapshot().items():
            for prefix in ("handshakes_refused_", "streams_refused_"):
                if name.startswith(prefix):
                    reason = name.removeprefix(prefix)
                    found[reason] = found.get(reason, 0) + round(count)
        return found

    def _living(self) -> Living:
        sessions = self._registry.sessions
        return Living(
            sessions=[_key(session.namespace, session.id) for session in sessions],
            streams=sum(session.stream_count for session in sessions),
            kept=Counter(kept.site for session in sessions for kept in session.kept),
            kept_streams=Counter(kept.site for kept in self._kept_streams()),
        )

    def _kept_streams(self) -> list[Kept]:
        return [kept for session in self._registry.sessions for kept in session.kept_streams]


def _comes_unknown(handshake: Handshake) -> bool:
    """Whether it is known only by its first message who it is, or which place it has."""
    address = handshake.address
    return address.auth is Auth.MESSAGE or address.resume is Resume.BACK


def _first_wish(handshake: Handshake) -> Wish:
    """What a handshake asks for, as far as it can be believed at the door."""
    if _comes_unknown(handshake):
        returning = handshake.address.resume is Resume.BACK
        return Wish(handshake.remote, returning=returning)
    return _wish(handshake)


def _wish(handshake: Handshake) -> Wish:
    address = handshake.address
    key = _key(handshake.namespace, address.session or DEFAULT_SESSION)
    speaks = handshake.port is Port.AUDIO and address.role is not Role.VIEWER
    return Wish(handshake.remote, key, stream=speaks)


def _key(namespace: str, name: str) -> str:
    """A session's name among all; a slash stands in no name."""
    return f"{namespace}/{name}"


def _refusal(status: HTTPStatus, reason: str, message: str) -> Refusal:
    return Refusal(status, reason, message, (("Retry-After", str(RETRY_AFTER_S)),))
