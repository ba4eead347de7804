"""The two WebSocket servers: addresses, handshakes, and each connection's life."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from server.addresses import DEFAULT_SESSION, Address, Resume
from server.attendance import Attendance, Place
from server.audio_port import SpeakerConnection, serve_viewer
from server.connection import Connection
from server.context import Context
from server.control import ControlConnection
from server.credentials import chosen_subprotocol
from server.first_words import read_resume
from server.handshake import Gate, Handshake
from server.http import HttpDoor, Page
from server.metrics import Metrics
from server.metrics_port import MetricsDoor, open_metrics_port
from server.peer import Port
from server.scrapes import Scrapes
from server.status import unready

logger = logging.getLogger(__name__)

MAX_QUEUED_FRAMES = 16
"""Received and not yet read, per connection; beyond, the library stops reading the socket."""

CLOSE_TIMEOUT_S = 1.0
"""A client that does not answer a close must not delay a shutdown."""

CUT_OFF_S = 0.5
"""Longest wait for the handlers of connections that were cut off."""

LOOPBACK_HOSTS = ("127.0.0.1", "::1")


class ListenError(Exception):
    """A port cannot be opened. The message says what to do."""


def _listen_error(port: Port, number: int, host: str, error: OSError) -> ListenError:
    reason = error.strerror or str(error)
    advice = "Check --host."
    if error.errno == errno.EADDRINUSE:
        advice = f"Is another server running? Choose another with --{port.value}-port."
    elif error.errno == errno.EACCES:
        advice = f"Ports below 1024 are reserved; choose another with --{port.value}-port."
    return ListenError(f"cannot open {port.value} port {number} on {host}: {reason}. {advice}")


class Listener:
    """Both ports. `open` binds, `close` ends every connection."""

    def __init__(self, context: Context, page: Page) -> None:
        self._context = context
        self._servers: list[Server] = []
        self._page = page
        self._attendance = Attendance(context)
        self._scrapes = Scrapes(
            Metrics(context, context.probe),
            context.settings.metrics,
            context.access.is_admin,
            # a port of their own is not where proxies send what clients ask
            () if context.settings.metrics_port else context.access.proxies,
        )
        self._gates: tuple[Gate, ...] = (
            *context.access.gates,
            self._name_session,
            context.guard.gate,
        )
        """What a handshake must pass on either port, in order."""

    def check(self) -> None:
        """See whether both ports are free, before anything slow. Raises ListenError."""
        settings = self._context.settings
        if settings.control_port == settings.audio_port != 0:
            raise ListenError(
                f"control and audio port are both {settings.audio_port}; give one of them another "
                "number"
            )
        for port, number in (
            (Port.CONTROL, settings.control_port),
            (Port.AUDIO, settings.audio_port),
        ):
            host = self.hosts[0]
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                socket.create_server((host, number), family=family).close()
            except OSError as error:
                raise _listen_error(port, number, host, error) from error

    async def open(self) -> None:
        """Bind both ports and set `context.ports`. Raises ListenError."""
        settings, ports = self._context.settings, self._context.ports
        self._context.tasks.spawn(self._attendance.keep_house(), name="attendance")
        self._context.tasks.spawn(self._context.guard.load.run(), name="load")
        ports.control = await self._bind(Port.CONTROL, settings.control_port)
        ports.audio = await self._bind(Port.AUDIO, settings.audio_port)
        if settings.metrics_port:
            await self._bind_metrics()

    async def reload(self) -> None:
        """Read tokens and certificate again; who is not let in any more is closed with 4401."""
        await self._context.access.reload(c for s in self._servers for c in s.connections)
        self._attendance.give_up_gone()

    def refuse_new(self) -> None:
        """New connections are answered with 503 from now on."""
        self._context.health.draining = True

    async def close(self, code: int, reason: str, limit_s: float) -> None:
        """Close every connection with a code and wait for every handler.

        A client that reads nothing blocks its own close: after `limit_s` it is cut off.
        """
        for server in self._servers:
            server.close(close_connections=True, code=code, reason=reason)
        closed = [asyncio.ensure_future(server.wait_closed()) for server in self._servers]
        _, late = await asyncio.wait(closed, timeout=limit_s)
        if late:
            for server in self._servers:
                for connection in server.connections:
                    connection.transport.abort()
            await asyncio.wait(late, timeout=CUT_OFF_S)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that `host` means."""
        host = self._context.settings.host
        return LOOPBACK_HOSTS if host == "localhost" else (host,)

    def _max_size_bytes(self, port: Port) -> int:
        settings = self._context.settings
        if port is Port.CONTROL:
            return settings.max_control_message_bytes
        return settings.max_audio_message_bytes

    async def _bind_metrics(self) -> None:
        settings, access = self._context.settings, self._context.access
        door = MetricsDoor(self._scrapes, access.first_gates, secure=access.secure)
        host, number = settings.metrics_host, settings.metrics_port
        try:
            self._servers.append(await open_metrics_port(door, host, number, access.tls_options()))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"cannot open metrics port {number} on {host}: {reason}") from error

    async def _bind(self, port: Port, number: int) -> int:
        metrics_port = self._context.settings.metrics_port
        door = HttpDoor(
            port,
            self._page,
            unready=lambda: unready(self._context),
            draining=lambda: self._context.health.draining,
            first_gates=self._context.access.first_gates,
            gates=self._gates,
            secure=self._context.access.secure,
            on_refused=self._count_refused,
            scrapes=self._scrapes if port is Port.CONTROL and not metrics_port else None,
        )
        for position, host in enumerate(self.hosts):
            try:
                server = await serve(
                    self._handler(port),
                    host,
                    number,
                    process_request=door.process_request,
                    select_subprotocol=lambda _, offered: chosen_subprotocol(offered),
                    max_size=self._max_size_bytes(port),
                    max_queue=MAX_QUEUED_FRAMES,
                    compression=None,
                    close_timeout=CLOSE_TIMEOUT_S,
                    server_header=None,
                    **self._limits(port),
                    **self._context.access.tls_options(),
                )
            except OSError as error:
                if position > 0:
                    logger.info("not listening on %s: %s", host, error.strerror)
                    continue
                raise _listen_error(port, number, host, error) from error
            self._servers.append(server)
            number = server.sockets[0].getsockname()[1]
        return number

    def _limits(self, port: Port) -> dict[str, Any]:
        """What `serve` of websockets needs to know of limits."""
        settings, guard = self._context.settings, self._context.guard
        return {
            "open_timeout": settings.open_timeout_s,
            "ping_interval": settings.ping_interval_s or None,
            "ping_timeout": settings.ping_timeout_s or None,
            "create_connection": functools.partial(
                Connection, porter=guard, rates=guard.rates(port)
            ),
        }

    def _handler(self, port: Port) -> Callable[[ServerConnection], Awaitable[None]]:
        async def handle(connection: ServerConnection) -> None:
            assert isinstance(connection, Connection)
            assert connection.admitted is not None  # HttpDoor let nothing else through
            with self._context.log_ids.about(remote=connection.admitted.remote):
                await self._serve(connection.admitted, connection)

        return handle

    def _count_refused(self, reason: str) -> None:
        self._context.statistics.add("handshakes_refused")
        self._context.statistics.add(f"handshakes_refused_{reason}")

    async def _serve(self, handshake: Handshake, connection: Connection) -> None:
        try:
            known = await self._context.access.authenticate(
                handshake, connection, self._max_size_bytes(handshake.port)
            )
            place = None if known is None else await self._place(known, connection)
        except ConnectionClosed:
            return  # it left before it was in a session
        if known is None or place is None:
            return
        port = handshake.port.value
        who = "" if known.identity is None else f" as {known.identity.name}"
        self._context.statistics.add(f"connections_{port}")
        about = self._context.log_ids.about
        with about(connection=place.peer.id, session=place.session.id):
            logger.info("%s: joined%s", port, who)
            try:
                await self._converse(place, connection)
            except ConnectionClosed as closed:
                logger.info("%s: connection lost (%r)", port, str(closed))
            finally:
                logger.info("%s: left", port)

    async def _converse(self, place: Place, connection: Connection) -> None:
        """Until the connection or its client is gone. Raises ConnectionClosed."""
        context, peer, session = self._context, place.peer, place.session
        sender = asyncio.create_task(peer.outbox.run(connection), name=f"send {peer.id}")
        limits = asyncio.create_task(
            context.guard.attend(connection, peer, session), name=f"limits {peer.id}"
        )
        try:
            if place.speaker is not None and place.working is not None:
                speaking = SpeakerConnection(place.speaker, place.working, place.replaced)
                await speaking.serve(connection)
            elif peer.port is Port.CONTROL:
                await ControlConnection(context, session, peer).serve(connection)
            else:
                answers, clock = context.guard.answers, context.wall_clock
                await serve_viewer(session, peer, connection, answers, clock)
        finally:
            if peer.outbox.overflowed:
                context.statistics.add("slow_clients_closed")
            context.statistics.add("events_merged", peer.outbox.merged)
            limits.cancel()
            await self._attendance.leave(place, connection)
            sender.cancel()
            await asyncio.gather(sender, limits, return_exceptions=True)

    async def _place(self, handshake: Handshake, connection: Connection) -> Place | None:
        """Where the connection belongs; None, and it is closed, if it does not say what it must."""
        guard = self._context.guard
        if handshake.address.resume is Resume.BACK:
            request = await read_resume(connection)
            if request is None:
                return None
            place = await self._attendance.old_place(handshake, request, connection)
            if place is not None:
                guard.came_back(connection, place.session, speaks=place.speaker is not None)
                return place
        if not await guard.late_gate(handshake, connection):
            return None
        session_id = self._session_id(handshake.address)
        return self._attendance.new_place(handshake, session_id, connection)

    def _name_session(self, handshake: Handshake) -> Handshake:
        """A gate: who names no session has one all the same, and it counts."""
        session_id = self._session_id(handshake.address)
        return replace(handshake, address=replace(handshake.address, session=session_id))

    def _session_id(self, address: Address) -> str:
        if address.session is not None:
            return address.session
        if self._context.access.private or self._context.settings.shared_default:
            return DEFAULT_SESSION
        return f"private-{secrets.token_hex(8)}"
