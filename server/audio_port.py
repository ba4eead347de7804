"""The audio port: one handler per connection; audio in, transcripts out."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from msgspec import UNSET
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from asr.recogniser import StreamRecogniser
from audio.intake import AudioIntake
from audio.types import AudioError, AudioFormat, ChannelMode, Encoding, FrontendConfig
from server import protocol
from server.actor import (
    AudioActor,
    AudioBytes,
    EndAudio,
    Item,
    SetFormat,
    SetFrontend,
    WireTimers,
)
from server.context import Context
from server.control import connected_event
from server.inbox import Inbox
from server.messages import (
    AudioConfigured,
    AudioEndAck,
    Pong,
    optional,
)
from server.peer import Finals, Peer, Role
from server.presenter import timestamp
from server.problem import SHUTTING_DOWN
from server.protocol import ProtocolError
from server.registry import Session
from server.voice import Voice

logger = logging.getLogger(__name__)

FRAMES_BETWEEN_YIELDS = 16

INTERNAL_ERROR = 1011
FAREWELL_S = 1.0


class AudioConnection:
    """One audio connection of one session: its wire side. `AudioActor` is its audio side."""

    def __init__(self, context: Context, session: Session, peer: Peer, speaker: str | None) -> None:
        self._context = context
        self._session = session
        self._peer = peer
        self._voice = Voice(
            context,
            session,
            peer,
            speaker,
            streams=lambda: self._actor.audio_format.stream_count,
            # the actor is made below
            received_s=lambda index, end: self._actor.received_s(index, end),  # noqa: PLW0108
        )
        self._messages = 0
        self._new_frontend: FrontendConfig | None = None
        self._putting = False
        self._ends: list[EndAudio] = []
        """Commanded while a message waits for room; one per stop or shutdown."""
        self._running: asyncio.Task[None] | None = None
        settings = session.settings
        self._actor = AudioActor(
            intake=AudioIntake(settings.frontend(), context.silero),
            inbox=Inbox[Item](settings.inbox_audio_s, self._voice.on_overload),
            make_recogniser=self._make_recogniser,
            decoder=context.scheduler,
            dsp=context.dsp,
            listener=self._voice,
            timers=WireTimers(settings.wire_partial_s, settings.wire_final_s),
        )

    # -- the wire -----------------------------------------------------------------------------

    async def serve(self, socket: ServerConnection) -> None:
        """Take audio until the client is gone, then finish what was said."""
        if self._peer.every_event:
            self._peer.send(connected_event(self._context, self._session, self._peer))
        if self._peer.role is Role.VIEWER:
            await self._serve_viewer(socket)
            return
        self._session.attach(self._peer.id, self)
        self._context.work.join(self._actor)
        self._use_default_format()
        self._running = asyncio.create_task(self._actor.run(), name=f"audio {self._peer.id}")
        reading = asyncio.create_task(self._read(socket), name=f"read {self._peer.id}")
        try:
            await asyncio.wait({reading, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                await self._give_up(socket, self._running)
        finally:
            reading.cancel()
            (ended,) = await asyncio.gather(reading, return_exceptions=True)
            if isinstance(ended, Exception):
                logger.error("audio %s: reading failed", self._peer.id, exc_info=ended)
            await self._finish(self._running)

    async def _give_up(self, socket: ServerConnection, running: asyncio.Task[None]) -> None:
        """The audio side failed: the client is told, and loses the connection, not its words."""
        error = running.exception()
        logger.error("audio %s: failed", self._peer.id, exc_info=error)
        code = error.code if isinstance(error, AudioError) else "internal_error"
        self._voice.on_failure(code, error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._peer.outbox.flushed()
        await socket.close(INTERNAL_ERROR, code)

    async def _read(self, socket: ServerConnection) -> None:
        try:
            async for message in socket:
                await self._on_message(message)
                self._messages += 1
                if isinstance(message, str) or self._messages % FRAMES_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)  # frames that have come already must not hold the loop
        except ConnectionClosed as closed:
            logger.info("audio %s: connection lost (%r)", self._peer.id, str(closed))

    async def _finish(self, running: asyncio.Task[None]) -> None:
        """The client is gone: what it said still becomes finals for the others."""
        self._session.leave(self._peer)
        self._actor.inbox.put_now(EndAudio(done=lambda _: None, last=True))
        try:
            await asyncio.wait({running})
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._context.work.leave(self._actor)
            self._session.detach(self._peer.id)

    async def _serve_viewer(self, socket: ServerConnection) -> None:
        async for _ in socket:
            self._voice.error("forbidden", "a viewer only listens")
            await asyncio.sleep(0)

    async def _on_message(self, message: str | bytes) -> None:
        try:
            request = protocol.parse_audio(message)
            match request:
                case bytes():
                    await self._on_audio(request)
                case protocol.AudioEnd():
                    await self._on_audio_end(request)
                case protocol.AudioConfig():
                    await self._on_audio_config(request)
                case protocol.Ping():
                    self._on_ping(request)
        except ProtocolError as error:
            self._context.statistics.add("audio_messages_refused")
            self._voice.error(error.code, error.message, error.request_id)

    async def _on_audio(self, data: bytes) -> None:
        if not data or not self._session.takes_audio(self._peer.id):
            return
        received_s = self._context.clock()
        seconds = self._actor.audio_s(data)
        self._putting = True
        try:
            if not await self._context.work.room(self._actor, seconds):
                self._actor.refuse(SHUTTING_DOWN)
                return
            self._context.statistics.add("audio_received_s", seconds)
            self._context.statistics.add("audio_received_bytes", len(data))
            await self._actor.inbox.put(AudioBytes(data, received_s), seconds)
        finally:
            self._putting = False
            self._end_behind_audio()

    async def _on_audio_end(self, request: protocol.AudioEnd) -> None:
        idle = not self._session.core.is_active(self._peer.id)
        self._session.apply(self._session.core.ended(self._peer.id))

        def done(position_samples: int) -> None:
            self._peer.send(
                AudioEndAck(
                    session_id=self._session.id,
                    stream_ids=self._voice.stream_ids(),
                    received_ms=position_samples // 16,
                    status="already_idle" if idle else "success",
                    request_id=optional(request.request_id),
                )
            )
            self._session.apply(self._session.core.drained(self._peer.id))

        await self._actor.inbox.put(EndAudio(done))

    async def _on_audio_config(self, request: protocol.AudioConfig) -> None:
        try:
            audio_format = AudioFormat(
                encoding=Encoding(request.encoding),
                sample_rate_hz=request.sample_rate,
                channels=request.channels,
                channel_mode=ChannelMode(request.channel_mode),
            )
        except AudioError as error:
            raise ProtocolError(error.code, error.message, request.request_id) from error
        except ValueError as error:
            raise ProtocolError(
                "bad_encoding",
                f"encoding is one of {', '.join(e.value for e in Encoding)}, channel_mode mix or "
                f"split; not {request.encoding[:40]!r}, {request.channel_mode[:40]!r}",
                request.request_id,
            ) from error
        self._peer.every_event = True
        if request.finals is not UNSET:
            self._peer.finals = Finals(request.finals)
        self._session.core.configured(self._peer.id)

        def done(position_samples: int) -> None:
            self._peer.send(
                AudioConfigured(
                    encoding=audio_format.encoding.value,
                    sample_rate=audio_format.sample_rate_hz,
                    channels=audio_format.channels,
                    channel_mode=audio_format.channel_mode.value,
                    stream_ids=self._voice.stream_ids(),
                    finals=self._peer.finals.value,
                    received_ms=position_samples // 16,
                    request_id=optional(request.request_id),
                )
            )

        await self._actor.inbox.put(SetFormat(audio_format, done))

    def _on_ping(self, request: protocol.Ping) -> None:
        now = timestamp(self._context.wall_clock())
        self._peer.send(Pong(timestamp=now, request_id=optional(request.request_id)))

    def _use_default_format(self) -> None:
        settings = self._session.settings
        audio_format = AudioFormat(
            encoding=Encoding(settings.audio_format),
            sample_rate_hz=settings.sample_rate,
            channels=settings.channels,
        )
        if audio_format != self._actor.audio_format:
            self._actor.inbox.put_now(SetFormat(audio_format, lambda _: None))

    # -- commanded by the session -------------------------------------------------------------

    def flush(self) -> None:
        """End what is being said (AudioSource)."""
        self._put_end(
            EndAudio(lambda _: self._session.apply(self._session.core.drained(self._peer.id)))
        )

    def set_frontend(self, config: FrontendConfig) -> None:
        """Use other front-end settings for the audio that follows (AudioSource)."""
        waiting = self._new_frontend is not None
        self._new_frontend = config
        if not waiting:  # one command, however often settings change before it is reached
            self._actor.inbox.put_now(SetFrontend(self._take_frontend))

    def _take_frontend(self) -> FrontendConfig:
        config, self._new_frontend = self._new_frontend, None
        assert config is not None
        return config

    async def drain(self) -> None:
        """Wait until every final so far is out (AudioSource); cancelled, name what got none."""
        if self._running is None:
            return
        self._actor.hurry()
        drained = asyncio.get_running_loop().create_future()
        self._put_end(EndAudio(lambda _: drained.set_result(None)))
        # a client that left at the same time has its last item, and the actor ends before ours
        try:
            await asyncio.wait({drained, self._running}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._actor.give_up(SHUTTING_DOWN)
            raise

    # -- helpers ------------------------------------------------------------------------------

    def _put_end(self, end: EndAudio) -> None:
        """Queue an end behind the audio taken so far, the message that waits for room included."""
        self._ends.append(end)
        if not self._putting:
            self._end_behind_audio()

    def _end_behind_audio(self) -> None:
        while self._ends:
            self._actor.inbox.put_now(self._ends.pop(0))

    def _make_recogniser(self, index: int) -> StreamRecogniser:
        return self._context.recognisers.make(
            self._voice.stream_id(index), lambda: self._session.settings.glossary
        )
