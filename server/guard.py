"""The limits at work: who may come in, how long they stay, and what that is seen by."""

from __future__ import annotations

import logging
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
from server.registry import Session, SessionRegistry
from server.roll import Bounds, Limit, Roll, Visit, Wish
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
        wish = _wish(handshake)
        self._roll.admit(visit, wish)
        if wish.stream and not wish.returning:
            self.load.admitted()

    def leave(self, visit: Visit) -> None:
        """A connection is lost (Porter)."""
        self._roll.leave(visit)

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
        wish = _wish(handshake)
        limit = self._roll.full_for(wish, *self._living())
        if limit is not None:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            if limit is Limit.ADDRESS:
                status = HTTPStatus.TOO_MANY_REQUESTS
            return _refusal(status, limit.value, MESSAGES[limit])
        if wish.stream and not wish.returning and not self.load.has_room():
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, OVERLOADED, OVERLOADED_MESSAGE)
        return handshake

    def recount(self, handshake: Handshake, connection: Connection) -> None:
        """It is known by now whose a connection is, and so in which session it will be."""
        assert connection.visit is not None
        self._roll.change(connection.visit, _wish(handshake))

    async def readmits(self, handshake: Handshake, connection: Connection) -> bool:
        """Whether who could not be judged at the door gets a place; if not, it is closed.

        That is who said that it had one and has none, and whose token came as first message.
        """
        returned = handshake.address.resume is Resume.BACK
        if not returned and handshake.address.auth is not Auth.MESSAGE:
            return True
        assert connection.visit is not None
        limit = self._roll.full_inside(connection.visit, *self._living())
        reason = None if limit is None else limit.value
        if reason is None and returned and _wish(handshake).stream and not self.load.has_room():
            reason = OVERLOADED
        if reason is None:
            return True
        self._count_refused(reason)
        port = handshake.port.value
        logger.info("%s: not let in (%s)", port, reason, extra=with_fields(reason=reason))
        await connection.close(TRY_AGAIN_LATER, f"{reason}; try again later")
        return False

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
        try:
            await watch.run()
        finally:
            watch.end()
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
        return [limit.value for limit in self._roll.reached(*self._living())]

    def refusals(self) -> dict[str, int]:
        """Refused handshakes and streams since the start, by reason."""
        found: dict[str, int] = {}
        for name, count in self.statistics.snapshot().items():
            for prefix in ("handshakes_refused_", "streams_refused_"):
                if name.startswith(prefix):
                    reason = name.removeprefix(prefix)
                    found[reason] = found.get(reason, 0) + round(count)
        return found

    def _living(self) -> tuple[list[str], int]:
        sessions = self._registry.sessions
        names = [_key(session.namespace, session.id) for session in sessions]
        return names, sum(session.stream_count for session in sessions)


def _wish(handshake: Handshake) -> Wish:
    address = handshake.address
    return Wish(
        remote=handshake.remote,
        session=_key(handshake.namespace, address.session or DEFAULT_SESSION),
        stream=handshake.port is Port.AUDIO and address.role is Role.SPEAKER,
        returning=address.resume is Resume.BACK,
    )


def _key(namespace: str, name: str) -> str:
    """A session's name among all; a slash stands in no name."""
    return f"{namespace}/{name}"


def _refusal(status: HTTPStatus, reason: str, message: str) -> Refusal:
    return Refusal(status, reason, message, (("Retry-After", str(RETRY_AFTER_S)),))
