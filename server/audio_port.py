"""The audio port: one handler per connection; audio in, transcripts out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from asr.recogniser import StreamRecogniser
from asr.types import DecodeResult
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
    ErrorEvent,
    FinalTranscription,
    Notice,
    Pong,
    optional,
)
from server.peer import Peer, Role
from server.presenter import News, Presenter, timestamp
from server.protocol import ProtocolError
from server.registry import Session

logger = logging.getLogger(__name__)

OVERLOAD_EVERY_S = 60.0
"""A file sent unpaced waits all the time; to be told once is enough."""

INTERNAL_ERROR = 1011
FAREWELL_S = 1.0

SLOW_DECODE_S = 1.0
SLOW_DECODE_MESSAGE = "Warning: Processing time > 1.0s per chunk"
NO_SPEECH_MESSAGE = "Warning: No speech detected in audio stream"
CHANNEL_SPEAKERS = ("agent", "customer")


class AudioConnection:
    """One audio connection of one session: its wire side. `AudioActor` is its audio side."""

    def __init__(self, context: Context, session: Session, peer: Peer, speaker: str | None) -> None:
        self._context = context
        self._session = session
        self._peer = peer
        self._speaker = speaker
        self._slow_told = False
        self._overload_told_s = -math.inf
        self._draining = False
        self._running: asyncio.Task[None] | None = None
        settings = session.settings
        self._actor = AudioActor(
            intake=AudioIntake(settings.frontend(), context.silero),
            inbox=Inbox[Item](settings.inbox_audio_s, self._on_overload),
            make_recogniser=self._make_recogniser,
            decoder=context.scheduler,
            dsp=context.dsp,
            listener=self,
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
        self._use_default_format()
        self._running = asyncio.create_task(self._actor.run(), name=f"audio {self._peer.id}")
        reading = asyncio.create_task(self._read(socket), name=f"read {self._peer.id}")
        try:
            await asyncio.wait({reading, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                await self._give_up(socket, self._running)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self._finish(self._running)

    async def _give_up(self, socket: ServerConnection, running: asyncio.Task[None]) -> None:
        """The audio side failed: the client is told, and loses the connection, not its words."""
        error = running.exception()
        logger.error("audio %s: failed", self._peer.id, exc_info=error)
        code = error.code if isinstance(error, AudioError) else "internal_error"
        self._session.broadcast(
            ErrorEvent(
                code=code,
                message=f"this connection's audio cannot be processed any more: {error}; reconnect",
                fatal=True,
                session_id=self._session.id,
                stream_id=self._stream_id(0),
            )
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._peer.outbox.flushed()
        await socket.close(INTERNAL_ERROR, code)

    async def _read(self, socket: ServerConnection) -> None:
        try:
            async for message in socket:
                await self._on_message(message)
        except ConnectionClosed as closed:
            logger.info("audio %s: connection lost (%s)", self._peer.id, closed)

    async def _finish(self, running: asyncio.Task[None]) -> None:
        """The client is gone: what it said still becomes finals for the others."""
        self._session.leave(self._peer)
        self._actor.inbox.put_now(EndAudio(done=lambda _: None, last=True))
        try:
            await asyncio.wait({running})
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._session.detach(self._peer.id)

    async def _serve_viewer(self, socket: ServerConnection) -> None:
        async for _ in socket:
            self._error("forbidden", "a viewer only listens", None)

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
            self._error(error.code, error.message, error.request_id)

    async def _on_audio(self, data: bytes) -> None:
        if not data or self._draining or not self._session.takes_audio(self._peer.id):
            return
        seconds = self._actor.audio_s(data)
        self._context.statistics.add("audio_received_s", seconds)
        self._context.statistics.add("audio_received_bytes", len(data))
        await self._actor.inbox.put(AudioBytes(data), seconds)

    async def _on_audio_end(self, request: protocol.AudioEnd) -> None:
        idle = not self._session.core.is_active(self._peer.id)
        self._session.apply(self._session.core.ended(self._peer.id))

        def done(position_samples: int) -> None:
            self._peer.send(
                AudioEndAck(
                    session_id=self._session.id,
                    stream_ids=self._stream_ids(),
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
                f"{error}; encoding is one of {', '.join(e.value for e in Encoding)}, "
                "channel_mode mix or split",
                request.request_id,
            ) from error
        self._peer.every_event = True
        self._session.core.configured(self._peer.id)

        def done() -> None:
            self._peer.send(
                AudioConfigured(
                    encoding=audio_format.encoding.value,
                    sample_rate=audio_format.sample_rate_hz,
                    channels=audio_format.channels,
                    channel_mode=audio_format.channel_mode.value,
                    stream_ids=self._stream_ids(),
                    request_id=optional(request.request_id),
                )
            )

        await self._actor.inbox.put(SetFormat(audio_format, done))

    def _on_ping(self, request: protocol.Ping) -> None:
        now = timestamp(self._context.wall_clock())
        self._peer.every_event = True
        self._peer.send(Pong(timestamp=now, request_id=optional(request.request_id)))

    def _use_default_format(self) -> None:
        settings = self._session.settings
        audio_format = AudioFormat(
            encoding=Encoding(settings.audio_format),
            sample_rate_hz=settings.sample_rate,
            channels=settings.channels,
        )
        if audio_format != self._actor.audio_format:
            self._actor.inbox.put_now(SetFormat(audio_format, lambda: None))

    # -- commanded by the session -------------------------------------------------------------

    def flush(self) -> None:
        """End what is being said (AudioSource)."""
        self._actor.inbox.put_now(
            EndAudio(lambda _: self._session.apply(self._session.core.drained(self._peer.id)))
        )

    def set_frontend(self, config: FrontendConfig) -> None:
        """Use other front-end settings for the audio that follows (AudioSource)."""
        self._actor.inbox.put_now(SetFrontend(config))

    async def drain(self) -> None:
        """Take no more audio, and wait until every final so far is out (AudioSource)."""
        self._draining = True
        if self._running is None:
            return
        drained = asyncio.get_running_loop().create_future()
        self._actor.inbox.put_now(EndAudio(lambda _: drained.set_result(None)))
        # a client that left at the same time has its last item, and the actor ends before ours
        await asyncio.wait({drained, self._running}, return_when=asyncio.FIRST_COMPLETED)

    # -- told by the actor --------------------------------------------------------------------

    def on_news(self, stream_index: int, news: News) -> None:
        """Broadcast what a stream found."""
        event = self._presenter(stream_index).event(news)
        if event is None:
            return
        if isinstance(event, FinalTranscription):
            self._context.statistics.add("finals")
            self._context.statistics.add("finals_audio_s", event.duration)
        self._context.statistics.add(f"events_{event.__struct_config__.tag}")
        self._session.broadcast(event)

    def on_problem(self, code: str, message: str) -> None:
        """Tell the sender that its audio could not be used as sent."""
        self._context.statistics.add(f"audio_problems_{code}")
        self._error(code, message, None)

    def on_decoded(self, result: DecodeResult) -> None:
        """Warn once per connection when decodes are slow."""
        if result.decode_s > SLOW_DECODE_S and not self._slow_told:
            self._slow_told = True
            logger.warning("%s (%.1f s)", SLOW_DECODE_MESSAGE, result.decode_s)
            self._notice("slow_processing", SLOW_DECODE_MESSAGE)

    def on_no_speech(self) -> None:
        """Much audio came and nobody spoke."""
        logger.warning("%s (%s)", NO_SPEECH_MESSAGE, self._peer.id)
        self._notice("no_speech", NO_SPEECH_MESSAGE)

    def on_wire_silent(self) -> None:
        """The wire fell silent in mid-utterance."""
        logger.info("audio %s: nothing on the wire in mid-utterance; final made", self._peer.id)

    # -- helpers ------------------------------------------------------------------------------

    def _stream_id(self, index: int) -> str:
        return f"{self._peer.id}.{index + 1}"

    def _stream_ids(self) -> list[str]:
        return [self._stream_id(i) for i in range(self._actor.audio_format.stream_count)]

    def _make_recogniser(self, index: int) -> StreamRecogniser:
        return self._context.recognisers.make(self._stream_id(index))

    def _presenter(self, index: int) -> Presenter:
        split = self._actor.audio_format.stream_count > 1
        return Presenter(
            session_id=self._session.id,
            stream_id=self._stream_id(index),
            speaker=CHANNEL_SPEAKERS[index] if split else self._speaker,
            repo_of=self._context.repo_of,
            wall_clock=self._context.wall_clock,
        )

    def _on_overload(self) -> None:
        self._context.statistics.add("overloads")
        now_s = self._context.clock()
        if now_s < self._overload_told_s + OVERLOAD_EVERY_S:
            return
        self._overload_told_s = now_s
        self._error(
            "overloaded",
            "the server could not take any audio for 5 s; it waits with the rest and loses "
            "nothing, but transcripts come late",
            None,
        )

    def _notice(self, code: str, message: str) -> None:
        self._session.broadcast(
            Notice(
                level="warning",
                code=code,
                message=message,
                session_id=self._session.id,
                stream_id=self._stream_id(0),
            )
        )

    def _error(self, code: str, message: str, request_id: str | None) -> None:
        self._peer.send(
            ErrorEvent(
                code=code,
                message=message,
                session_id=self._session.id,
                request_id=optional(request_id),
            )
        )
