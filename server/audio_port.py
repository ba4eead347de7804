"""The audio port: one handler per connection; audio in, transcripts out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from server.messages import ErrorEvent, Pong, optional
from server.peer import Peer
from server.presenter import timestamp
from server.protocol import Ping, ProtocolError, parse_audio, request_id_of
from server.registry import Session
from server.speaker import Speaker

logger = logging.getLogger(__name__)

FRAMES_BETWEEN_YIELDS = 16

INTERNAL_ERROR = 1011
FAREWELL_S = 1.0


class SpeakerConnection:
    """One connection of a speaker: its wire side. `Speaker` is its audio side."""

    def __init__(
        self, speaker: Speaker, working: asyncio.Task[None], replaced: asyncio.Event
    ) -> None:
        """`working` is the speaker's task. Once `replaced`, nothing more is taken."""
        self._speaker = speaker
        self._working = working
        self._replaced = replaced
        self._messages = 0

    async def serve(self, socket: ServerConnection) -> None:
        """Take audio until the client is gone or its audio cannot be processed any more."""
        self._speaker.presence.attach(socket)
        reading = asyncio.create_task(self._read(socket), name=f"read {self._speaker.id}")
        replaced = asyncio.create_task(self._replaced.wait(), name=f"replace {self._speaker.id}")
        try:
            ends = {reading, replaced, self._working}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._working.done() and self._speaker.failure is not None:
                await self._give_up(socket, self._speaker.failure)
        finally:
            self._speaker.presence.detach()
            reading.cancel()
            replaced.cancel()
            (ended, _) = await asyncio.gather(reading, replaced, return_exceptions=True)
            if isinstance(ended, Exception):
                logger.error("audio %s: reading failed", self._speaker.id, exc_info=ended)

    async def _give_up(self, socket: ServerConnection, code: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._speaker.peer.outbox.flushed()
        await socket.close(INTERNAL_ERROR, code)

    async def _read(self, socket: ServerConnection) -> None:
        try:
            async for message in socket:
                await self._speaker.on_message(message)
                self._messages += 1
                if isinstance(message, str) or self._messages % FRAMES_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)  # frames that have come already must not hold the loop
        except ConnectionClosed as closed:
            logger.info("audio %s: connection lost (%r)", self._speaker.id, str(closed))


async def serve_viewer(
    session: Session,
    peer: Peer,
    socket: ServerConnection,
    answers: Callable[[str], bool],
    wall_clock: Callable[[], datetime],
) -> None:
    """Answer pings, and take nothing else, until the client is gone."""
    async for message in socket:
        ping = _ping_in(message)
        if ping is not None:
            answered = optional(ping.request_id)
            peer.send(Pong(timestamp=timestamp(wall_clock()), request_id=answered))
        elif answers(peer.id):
            peer.send(
                ErrorEvent(
                    code="forbidden",
                    message="a viewer only listens",
                    session_id=session.id,
                    request_id=optional(request_id_of(message)),
                )
            )
        await asyncio.sleep(0)


def _ping_in(message: str | bytes) -> Ping | None:
    try:
        request = parse_audio(message)
    except ProtocolError:
        return None
    return request if isinstance(request, Ping) else None
