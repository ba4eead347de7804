"""The library's connection: counted, read no faster than it may send, and patient with pongs."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Data

from server.buckets import TokenBucket
from server.failed_handshake import Failure, failure_of
from server.handshake import Handshake
from server.porter import Porter, Rates
from server.roll import Visit

logger = logging.getLogger(__name__)

BURST_S = 4.0
"""What may come at once: that of so many seconds."""

SEND_BUFFER_BYTES = 65_536
"""What the system takes for a client that does not read. Left to itself it takes megabytes, for
each of them, and a viewer that falls behind would read minutes of old news first."""

PONG_BYTES = 65_536
"""More than that of pongs unread by the client, and nothing is read: each ping would be answered by
one more. Events wait elsewhere before they are so many (`Outbox`)."""

LOOKS = 8
"""Times that it is looked, within `ping_timeout`, whether what is unsent became less."""

PIECE_BYTES = 2_048
"""Parsed before it is looked whether the rates allow more: so far they may be overdrawn."""

FRAMES_PER_TURN = 512
"""Tiny frames, parsed in one go: a few milliseconds, then others have their turn."""

MAX_HEADER_BYTES = 32_768
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class Connection(ServerConnection):
    """A connection of either port. `admitted` is set once the gates have let it pass.

    Beyond its rates nothing is read until time has passed, so that TCP slows the sender; nothing is
    dropped. `on_limited` is called each time. What comes once it is being closed is not taken.
    """

    def __init__(
        self, protocol: ServerProtocol, server: Server, *, porter: Porter, rates: Rates, **more: Any
    ) -> None:
        super().__init__(protocol, server, **more)
        self.admitted: Handshake | None = None
        self.on_limited: Callable[[], object] = lambda: None
        self._porter = porter
        self.visit: Visit | None = None
        self._messages = TokenBucket(rates.messages_per_s, rates.messages_per_s * BURST_S)
        self._bytes = TokenBucket(rates.bytes_per_s, rates.bytes_per_s * BURST_S)
        self._unread = bytearray()
        """At most what one read of the socket brought."""
        self._release: asyncio.TimerHandle | None = None
        self._frames = 0
        self._header_bytes = 0
        self._opening = True
        self._timed_out = False
        self._takes = True
        self._pong_bytes = 0
        self._in_hand = False
        """Its handler has a message that is not dealt with yet."""
        self._alive_s = self._used_s = self.loop.time()

    # -- who it is ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is counted, or turned away before the library sees it."""
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        peername = transport.get_extra_info("peername") or ("",)
        self.visit = self._porter.arrive(str(peername[0]))
        if self.visit is None:
            cast(asyncio.Transport, transport).abort()
            return
        super().connection_made(transport)
        self.recv_messages.pause = self._follow
        self.recv_messages.resume = lambda: self.loop.call_soon(self._read_on)

    def admit(self, handshake: Handshake) -> None:
        """The gates let it pass."""
        assert self.visit is not None
        self.admitted = handshake
        self._porter.admit(self.visit, handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        """It counts no more."""
        if self.visit is None:
            return
        self._porter.leave(self.visit)
        self._feed_rest()
        failure = self._failure()
        if failure is not None:
            self._porter.failed(self.visit, failure)
        if self._release is not None:
            self._release.cancel()
        super().connection_lost(exc)

    async def handshake(self, *args: Any, **more: Any) -> None:
        """As the library's, which cancels it when its time is over."""
        try:
            await super().handshake(*args, **more)
        except asyncio.CancelledError:
            self._timed_out = True
            raise

    def _failure(self) -> Failure | None:
        """Why there was no handshake for the gates to judge; None where there was one."""
        if self.request is None:
            return failure_of(
                self.protocol.handshake_exc,
                self._header_bytes,
                timed_out=self._timed_out,
                too_large=self._header_bytes > MAX_HEADER_BYTES,
            )
        if self.admitted is None or self.response is None:
            return None
        refused = self.response.status_code in range(400, 500)  # by the library
        return Failure.BAD_HANDSHAKE if refused else None

    # -- what comes ---------------------------------------------------------------------------

    async def __aiter__(self) -> AsyncIterator[Data]:
        """Every message that is taken; ends when the connection is closed."""
        async for message in super().__aiter__():
            if self._takes:
                self._in_hand = True
                yield message
                self._in_hand = False
                self._used_s = self.loop.time()

    def take_no_more(self) -> None:
        """What comes from now on is read, for there may be a close or a pong in it, and dropped."""
        self._takes = False

    async def send(self, message: Any, **how: Any) -> None:
        """As the library's."""
        self._used_s = self.loop.time()
        await super().send(message, **how)

    @property
    def unused_s(self) -> float:
        """For how long no message went either way; pings are none.

        Nor does time count in which something of the client's waits for this server.
        """
        if self._in_hand or self._waits or (self._unread and not self._owes_pongs):
            return 0.0
        return self.loop.time() - self._used_s

    def data_received(self, data: bytes) -> None:
        """Parse what came in pieces, as fast as the rates allow."""
        if not self.paused:  # who reads nothing may ping for ever
            self._alive_s = self.loop.time()
        self._unread += data
        self._read_on()

    def eof_received(self) -> None:
        """What came before the end counts."""
        self._feed_rest()
        super().eof_received()

    def process_event(self, event: Event) -> None:
        """Count frames: pings and fragments cost as much as messages."""
        self._frames += 1
        if self.paused and isinstance(event, Frame) and event.opcode is Opcode.PING:
            self._pong_bytes += 2 + len(event.data)
        super().process_event(event)

    def send_data(self) -> None:
        """Once the handshake is answered, what came behind it is read."""
        super().send_data()
        if self._opening and self.request is not None and not self._unanswered:
            self._opening = False
            self.loop.call_soon(self._read_on)

    def resume_writing(self) -> None:
        """The client has read most of what it was sent."""
        super().resume_writing()
        self._pong_bytes = 0
        self._alive_s = self.loop.time()
        self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._frames = 0
        while self._unread and not self._held_up and self.protocol.state is not State.CLOSED:
            frames = self._frames
            size_bytes = self._feed(self._next_size_bytes())
            self._charge(size_bytes, self._frames - frames)
        self._follow()

    def _next_size_bytes(self) -> int:
        """Of a handshake a line at a time, so that nothing is fed that comes behind it."""
        if self.request is not None or self.protocol.eof_sent:
            return PIECE_BYTES
        return min(PIECE_BYTES, self._unread.find(b"\n") + 1) or PIECE_BYTES

    def _feed(self, size_bytes: int) -> int:
        piece = bytes(self._unread[:size_bytes])
        del self._unread[:size_bytes]
        if self.transport.is_closing():
            self._take_without_answer(piece)
        else:
            super().data_received(piece)
        if self.request is None:
            self._header_bytes += len(piece)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._unread.clear()
                if not self.protocol.eof_sent:  # else it was refused for something else
                    self.transport.write(TOO_LARGE)
                self.transport.close()
        return len(piece)

    def _take_without_answer(self, data: bytes) -> None:
        """What a client said before it went; its pings need no pongs any more."""
        self.protocol.receive_data(data)
        self.protocol.data_to_send()
        for event in self.protocol.events_received():
            self.process_event(event)

    def _feed_rest(self) -> None:
        if self._unread and not self._unanswered and self.protocol.state is not State.CLOSED:
            self._feed(len(self._unread))

    @property
    def _held_up(self) -> bool:
        return self._waits or self._owes_pongs

    @property
    def _owes_pongs(self) -> bool:
        """The client does not read, and pings."""
        return self._pong_bytes > PONG_BYTES

    @property
    def _waits(self) -> bool:
        """It is the server that does not read, and not the client."""
        return self.recv_messages.paused or self._release is not None or self._unanswered

    @property
    def _unanswered(self) -> bool:
        """The library takes what follows a request for frames before it has answered."""
        protocol = self.protocol
        if self.request is None or protocol.state is not State.CONNECTING:
            return False
        return not protocol.eof_sent

    def _charge(self, size_bytes: int, frames: int) -> None:
        now_s = self.loop.time()
        self._messages.spend(frames, now_s)
        self._bytes.spend(size_bytes, now_s)
        wait_s = max(self._messages.wait_s(now_s), self._bytes.wait_s(now_s))
        if wait_s > 0:
            self.on_limited()
        if wait_s > 0 or self._frames >= FRAMES_PER_TURN:
            self._release = self.loop.call_later(wait_s, self._on_release)

    def _on_release(self) -> None:
        self._release = None
        self._used_s = self.loop.time()  # more may wait where this server did not read
        self._read_on()

    def _follow(self) -> None:
        """Read the socket only while what came was taken."""
        if self.transport.is_closing():
            return
        if self._held_up or self._unread:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    async def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """As the library's, but never for longer than twice `close_timeout`."""
        self.take_no_more()
        await self._or_cut(super().close(code, reason))

    async def _or_cut(self, closing: Awaitable[None]) -> None:
        """A close frame waits behind full buffers: who reads nothing at all is cut off."""
        limit_s = None if self.close_timeout is None else 2 * self.close_timeout
        try:
            async with asyncio.timeout(limit_s):
                await closing
        except TimeoutError:
            self.transport.abort()
            await self.wait_closed()

    # -- whether it is there ------------------------------------------------------------------

    async def keepalive(self) -> None:
        """Ping now and then; who gives no sign of life for `ping_timeout` after one is gone.

        That is anything that it sends, or, where what it is sent piles up, that it reads. Time in
        which this server does not read does not count: a pong waits behind the audio that a busy
        server has not taken yet.
        """
        assert self.ping_interval is not None
        while True:
            await asyncio.sleep(self.ping_interval)
            if self.ping_timeout is None:
                await self.ping()
            elif not await self._answers_ping(self.ping_timeout):
                logger.info("no sign of life for %.0f s: closing", self.ping_timeout)
                await self._or_cut(self._fail_keepalive())

    async def _fail_keepalive(self) -> None:
        async with self.send_context():
            self.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")

    async def _answers_ping(self, limit_s: float) -> bool:
        """Full buffers hold up a ping: the wait for its turn counts."""
        pong = asyncio.create_task(self._pong(), name="pong")
        try:
            return await self._answered(pong, limit_s)
        finally:
            pong.cancel()
            await asyncio.gather(pong, return_exceptions=True)

    async def _pong(self) -> None:
        await (await self.ping())

    async def _answered(self, pong: asyncio.Future[None], limit_s: float) -> bool:
        asked_s, unsent_bytes = self.loop.time(), self.transport.get_write_buffer_size()
        while True:
            left_s = max(asked_s, self._alive_s) + limit_s - self.loop.time()
            look_s = min(max(0.0, left_s), limit_s / LOOKS)
            done, _ = await asyncio.wait({pong}, timeout=look_s)
            if done:
                return True
            before, unsent_bytes = unsent_bytes, self.transport.get_write_buffer_size()
            if self._waits or unsent_bytes < before:  # who reads slowly reads
                asked_s = self.loop.time()
            elif max(asked_s, self._alive_s) + limit_s <= self.loop.time():
                return False
