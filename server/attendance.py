"""Who is in which session, and who may come back: each connection gets a place and leaves it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType
from websockets.asyncio.server import ServerConnection

from server.access import site_of
from server.addresses import Resume
from server.connection import Connection
from server.context import Context
from server.handshake import Handshake
from server.messages import Connected, Notice
from server.peer import Peer, Port, Role
from server.permissions import lesser
from server.protocol import Resume as ResumeRequest
from server.registry import Kept, Session
from server.seats import Seat, Seats, SeatState
from server.speaker import Speaker

logger = logging.getLogger(__name__)

HOUSEKEEPING_EVERY_S = 1.0
OLD_CONNECTION_S = 2.0
"""How long a connection that its client has replaced may take to end."""

LOST_CODES = (1006, 1011, 1013)
"""Nothing came, no pong came, nothing was read: closes that a client can come back from."""


@dataclass(slots=True, eq=False)
class Place:
    """What a connection has in a session. `working` is the speaker's task."""

    handshake: Handshake
    session: Session
    peer: Peer
    connection: ServerConnection
    speaker: Speaker | None = None
    working: asyncio.Task[None] | None = None
    seat: Seat[Place] | None = None
    replaced: asyncio.Event = field(default_factory=asyncio.Event)
    """Its client has another connection: what was not taken of this one comes again there."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Its connection's handler is done with it."""


class Attendance:
    """Gives places and takes them back. `keep_house` must run beside."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seats = Seats[Place](
            context.settings.resume_s, make_token=lambda: secrets.token_urlsafe(18)
        )

    @property
    def away(self) -> int:
        """How many clients may come back."""
        return self._seats.away

    async def keep_house(self) -> None:
        """Give up places whose clients did not come back, and old events. Runs until cancelled."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_EVERY_S)
            for seat in self._seats.expired(self._context.clock()):
                self._give_up(seat.holder)
            for session in self._context.registry.sessions:
                session.forget_old()

    def give_up_gone(self) -> None:
        """Tokens were read again: clients that are away and have none any more have no place."""
        for seat in self._seats.revoke(lambda place: not self._stands(place)):
            self._give_up(seat.holder)

    def new_place(
        self, handshake: Handshake, session_id: str, connection: ServerConnection
    ) -> Place:
        """A place that nobody had, greeted."""
        context, address = self._context, handshake.address
        peer = Peer(
            context.next_id(handshake.port.value[0]),
            handshake.port,
            address.role,
            address.every_event,
            address.finals,
        )
        session = context.registry.enter(session_id, handshake.namespace)
        place = Place(handshake, session, peer, connection)
        speaks = peer.port is Port.AUDIO and peer.role is not Role.VIEWER
        if address.resume is not Resume.NO and context.settings.resume_s > 0:
            place.seat = self._seats.open(
                peer.id, _key(handshake), place, owner=_owner(handshake), speaks=speaks
            )
        self._greet(place, resumed=False if address.resume is Resume.BACK else UNSET)
        place.session.join(peer)
        if speaks:
            place.speaker = Speaker(
                context,
                place.session,
                peer,
                address.speaker,
                may_come_back=place.seat is not None,
            )
            with context.log_ids.about(connection=peer.id, session=session_id):
                place.working = place.speaker.start()
        if peer.role is Role.VIEWER or address.resume is not Resume.NO:
            place.session.send_snapshot(peer)
        return place

    async def old_place(
        self, handshake: Handshake, request: ResumeRequest, connection: ServerConnection
    ) -> Place | None:
        """The place that a token stands for, greeted and told what it missed; None if it is gone.

        The client knows better than the server whether its former connection still stands.
        """
        seat = self._seats.find(request.resume_token, _key(handshake))
        if seat is None:
            return None
        await self._vacate(seat)
        if seat.state is not SeatState.AWAY:
            return None
        return self._retake(seat, handshake, request.last_event_id, connection)

    async def _vacate(self, seat: Seat[Place]) -> None:
        """Cut off who has a seat; where several want it at once, who came last gets it."""
        while seat.state is SeatState.TAKEN:
            seat.holder.replaced.set()
            seat.holder.connection.transport.abort()
            try:
                async with asyncio.timeout(OLD_CONNECTION_S):
                    await seat.holder.left.wait()
            except TimeoutError:
                return

    def _retake(
        self,
        seat: Seat[Place],
        handshake: Handshake,
        last_event_id: int,
        connection: ServerConnection,
    ) -> Place:
        before = seat.holder
        role = lesser(before.peer.role, handshake.address.role)
        peer = Peer(before.peer.id, before.peer.port, role, True, before.peer.finals)
        place = Place(handshake, before.session, peer, connection, seat=seat)
        if before.speaker is not None and role is Role.VIEWER:
            before.speaker.finish()  # its task detaches it from the session
        elif before.speaker is not None:
            place.speaker, place.working = before.speaker, before.working
            place.speaker.peer = peer
        speaks = place.speaker is not None
        self._seats.take(seat, place, owner=_owner(handshake), speaks=speaks)
        self._greet(place, resumed=True)
        if not place.session.send_missed(peer, last_event_id):
            self._tell_incomplete(place)
        place.session.join(peer)
        place.session.unhold(place.peer.id)
        self._tell_others(place, "speaker_back", "a speaker's connection is back")
        self._context.statistics.add("connections_resumed")
        return place

    async def leave(self, place: Place, connection: Connection) -> None:
        """A connection's handler ends: its place is kept for a while, or what it said finished."""
        assert connection.admitted is not None
        place.session.leave(place.peer)
        if place.seat is not None and self._may_come_back(place, connection):
            self._keep(place, site_of(connection.admitted.remote))
            self._tell_others(place, "speaker_away", "a speaker's connection was lost")
            for seat in self._seats.leave(place.seat, self._context.clock()):
                self._give_up(seat.holder)
            place.left.set()
            return
        if place.seat is not None:
            self._seats.close(place.seat, "left")
        place.left.set()
        if place.speaker is not None and place.working is not None:
            place.speaker.finish()
            await asyncio.wait({place.working})
        self._context.registry.release(place.session)

    def _keep(self, place: Place, site: str) -> None:
        def give_way() -> None:
            if place.seat is not None:
                self._seats.close(place.seat, "a speaker needs the room")
            self._give_up(place)

        place.session.hold(place.peer.id, Kept(site, self._context.clock(), give_way))

    def _may_come_back(self, place: Place, connection: ServerConnection) -> bool:
        if place.working is not None and place.working.done():
            return False
        if place.speaker is not None and place.speaker.over:
            return False
        lost = place.replaced.is_set() or connection.close_code in LOST_CODES
        return lost and self._stands(place)

    def _stands(self, place: Place) -> bool:
        return self._context.access.stands(place.handshake)

    def _give_up(self, place: Place) -> None:
        """Its client does not come back."""
        place.session.unhold(place.peer.id)
        if place.speaker is not None:
            place.speaker.finish()  # its task releases the session, unless it failed meanwhile
        self._context.registry.release(place.session)

    # -- what is said ---------------------------------------------------------------------------

    def _greet(self, place: Place, resumed: bool | UnsetType) -> None:
        if not place.peer.every_event:
            return
        context, settings = self._context, self._context.settings
        current = context.models.current
        speaker = place.speaker
        place.peer.send(
            Connected(
                audio_logging=UNSET if self._context.audio_log is None else True,
                current_model=current.id if current else "",
                session_id=place.session.id,
                audio_port=context.ports.audio,
                control_port=context.ports.control,
                role=place.peer.role.value,
                limits=context.limits(),
                sample_rate=settings.sample_rate,
                chunk_size=settings.chunk_size,
                channels=settings.channels,
                audio_format=settings.audio_format,
                finals=place.peer.finals.value,
                resume_token=UNSET if place.seat is None else place.seat.token,
                resumed=resumed,
                last_event_id=place.session.last_event_id,
                received_messages=UNSET if speaker is None else speaker.received_messages,
                stream_ids=UNSET if speaker is None else speaker.stream_ids(),
            )
        )

    def _tell_others(self, place: Place, code: str, message: str) -> None:
        if place.speaker is not None:
            place.session.broadcast(
                Notice(
                    level="info",
                    code=code,
                    message=message,
                    session_id=place.session.id,
                    stream_id=place.speaker.stream_ids()[0],
                )
            )

    def _tell_incomplete(self, place: Place) -> None:
        place.peer.send(
            Notice(
                level="warning",
                code="events_missed",
                message="some events since the last one received are forgotten",
                session_id=place.session.id,
            )
        )
        place.session.send_snapshot(place.peer)


def _key(handshake: Handshake) -> str:
    """What a client that comes back must have in common with who was there: its very token."""
    who = handshake.identity
    if who is None:
        return handshake.port.value
    return f"{handshake.port.value} {who.namespace}/{who.name} {who.digest.hex()}"


def _owner(handshake: Handshake) -> str:
    """With whom a client shares the bound of places that are kept."""
    return f"{handshake.namespace} {site_of(handshake.remote)}"
