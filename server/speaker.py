"""One client's audio: what it asks for, in order. It may outlive the client's connection."""

from __future__ import annotations

import asyncio
import logging

from msgspec import UNSET

from asr.recogniser import StreamRecogniser
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
from server.audio_log import make_intake
from server.context import Context
from server.inbox import Inbox
from server.messages import AudioConfigured, AudioEndAck, Pong, optional
from server.peer import Finals, Peer
from server.presence import Presence
from server.presenter import timestamp
from server.problem import SHUTTING_DOWN
from server.protocol import ProtocolError
from server.registry import Session
from server.resume_messages import AudioPosition
from server.voice import Voice

logger = logging.getLogger(__name__)

POSITION_EVERY_S = 0.5


class Speaker:
    """Its task runs from `start` to the last final after `finish`, or to a failure."""

    def __init__(
        self,
        context: Context,
        session: Session,
        peer: Peer,
        name: str | None,
        *,
        may_come_back: bool,
    ) -> None:
        self.id = peer.id
        self.peer = peer
        """Replaced when its client comes back."""
        self.presence = Presence(matters=may_come_back)
        self.received_messages = 0
        """Messages taken, pings aside: a client that comes back goes on behind them."""
        self.failure: str | None = None
        """The code of what ended it, if something did."""
        self._context = context
        self._session = session
        self._may_come_back = may_come_back
        self._received_s = 0.0
        self._seq: int | None = None
        self._position_told_s = 0.0
        self._voice = Voice(
            context,
            session,
            peer.id,
            name,
            streams=lambda: self._actor.audio_format.stream_count,
            # the actor is made below
            received_s=lambda index, end: self._actor.received_s(index, end),  # noqa: PLW0108
        )
        self._new_frontend: FrontendConfig | None = None
        self._putting = False
        self._ends: list[EndAudio] = []
        """Commanded while a message waits for room; one per stop or shutdown."""
        self._working: asyncio.Task[None] | None = None
        self._guard = context.guard.speaker(self.id)
        self._actor = self._make_actor()

    def _make_actor(self) -> AudioActor:
        context, settings = self._context, self._session.settings
        return AudioActor(
            intake=make_intake(settings.frontend(), context.silero, self.id, context.audio_log),
            inbox=Inbox[Item](
                settings.inbox_audio_s, self._voice.on_overload, take=self._guard.take
            ),
            make_recogniser=self._make_recogniser,
            decoder=self._guard,
            dsp=context.dsp,
            listener=self._voice,
            timers=WireTimers(settings.wire_partial_s, settings.wire_final_s),
            presence=self.presence,
            more_waits=lambda: self._putting,
        )

    def start(self) -> asyncio.Task[None]:
        """Take audio from now on. The task ends behind the last final, and never fails."""
        self._session.attach(self.id, self)
        self._context.work.join(self._actor)
        self._use_default_format()
        self._working = self._context.tasks.spawn(self._work(), name=f"audio {self.id}")
        return self._working

    def finish(self) -> None:
        """The client is gone for good: what it said still becomes finals for the others."""
        self._actor.inbox.put_now(EndAudio(done=lambda _: None, last=True))

    async def _work(self) -> None:
        try:
            await self._actor.run()
        except Exception as error:  # the client is told, and loses the connection, not its words
            logger.error("audio %s: failed", self.id, exc_info=error)
            self.failure = error.code if isinstance(error, AudioError) else "internal_error"
            self._voice.on_failure(self.failure, error)
        finally:
            self._guard.close()
            self._context.work.leave(self._actor)
            self._context.owed_text.forget(self.id)
            self._session.detach(self.id)
            self._context.registry.release(self._session)

    # -- asked by the client --------------------------------------------------------------------

    async def on_message(self, message: str | bytes) -> None:
        """Take one message; it counts once it is taken, also where it is answered with an error.

        Audio that comes after the server began to end is not taken. Safe to cancel: what was not
        counted was not taken.
        """
        request_id: str | None = None
        try:
            request = protocol.parse_audio(message)
            request_id = None if isinstance(request, bytes) else request.request_id
            match request:
                case bytes():
                    if not await self._on_audio(request):
                        return
                case protocol.MarkedAudio():
                    if not await self._on_marked(request):
                        return
                case protocol.AudioEnd():
                    await self._on_audio_end(request)
                case protocol.AudioConfig():
                    await self._on_audio_config(request)
                case protocol.Ping():
                    self._on_ping(request)
                    return
        except ProtocolError as error:
            self._context.statistics.add("audio_messages_refused")
            if self._context.guard.answers(self.id):
                self.error(error.code, error.message, error.request_id or request_id)
        self.received_messages += 1
        self._tell_position()

    def error(self, code: str, message: str, request_id: str | None = None) -> None:
        """Tell the client of an error."""
        self._voice.error(code, message, request_id)

    def stream_ids(self) -> list[str]:
        """The names of its streams, in the format in force."""
        return self._voice.stream_ids()

    async def _on_marked(self, audio: protocol.MarkedAudio) -> bool:
        if audio.seq is None:
            return await self._on_audio(audio.data, audio.request_id)
        expected = audio.seq if self._seq is None else self._seq + 1
        if audio.seq < expected:
            self._context.statistics.add("audio_chunks_repeated")
            return True
        if audio.seq > expected:
            self._context.statistics.add("audio_chunks_missing", audio.seq - expected)
            missing = f"audio_chunk: seq {expected} to {audio.seq - 1} did not come"
            self.error("audio_gap", missing, audio.request_id)
        if not await self._on_audio(audio.data, audio.request_id):
            return False
        self._seq = audio.seq
        return True

    async def _on_audio(self, data: bytes, request_id: str | None = None) -> bool:
        """Take audio, once there is room; False if there will be none, for the server ends."""
        if not data or not self._session.takes_audio(self.id, request_id):
            return True
        received_s = self._context.clock()
        seconds = self._actor.audio_s(data)
        self._putting = True
        try:
            if not await self._context.work.room(self._actor, seconds):
                self._actor.refuse(SHUTTING_DOWN)
                return False
            await self._actor.inbox.put(AudioBytes(data, received_s), seconds)
        finally:
            self._putting = False
            self._end_behind_audio()
        self._received_s += seconds
        self._context.statistics.add("audio_received_s", seconds)
        self._context.statistics.add("audio_received_bytes", len(data))
        return True

    async def _on_audio_end(self, request: protocol.AudioEnd) -> None:
        idle = False

        def done(position_samples: int) -> None:
            self._session.tell(
                self.id,
                AudioEndAck(
                    session_id=self._session.id,
                    stream_ids=self.stream_ids(),
                    received_ms=position_samples // 16,
                    status="already_idle" if idle else "success",
                    request_id=optional(request.request_id),
                ),
            )
            self._session.apply(self._session.core.drained(self.id))

        await self._actor.inbox.put(EndAudio(done))
        # not before there was room: a message that is cancelled while it waits has done nothing
        idle = not self._session.core.is_active(self.id)
        self._session.apply(self._session.core.ended(self.id))

    async def _on_audio_config(self, request: protocol.AudioConfig) -> None:
        audio_format = _format_of(request)
        self.peer.every_event = True
        if request.finals is not UNSET:
            self.peer.finals = Finals(request.finals)
        self._session.core.configured(self.id)

        def done(position_samples: int) -> None:
            self._session.tell(
                self.id,
                AudioConfigured(
                    encoding=audio_format.encoding.value,
                    sample_rate=audio_format.sample_rate_hz,
                    channels=audio_format.channels,
                    channel_mode=audio_format.channel_mode.value,
                    stream_ids=self.stream_ids(),
                    finals=self.peer.finals.value,
                    received_ms=position_samples // 16,
                    request_id=optional(request.request_id),
                ),
            )

        await self._actor.inbox.put(SetFormat(audio_format, done))

    def _on_ping(self, request: protocol.Ping) -> None:
        now = timestamp(self._context.wall_clock())
        self.peer.send(Pong(timestamp=now, request_id=optional(request.request_id)))

    def _tell_position(self, *, last: bool = False) -> None:
        """Now and then, and at the last, lest another server be sent what became text here."""
        if not self._may_come_back and self._seq is None:
            return
        now_s = self._context.clock()
        if not last and now_s < self._position_told_s + POSITION_EVERY_S:
            return
        self._position_told_s = now_s
        self.peer.send(
            AudioPosition(
                session_id=self._session.id,
                received_messages=self.received_messages,
                received_s=round(self._received_s, 3),
                seq=UNSET if self._seq is None else self._seq,
            )
        )

    def _use_default_format(self) -> None:
        settings = self._session.settings
        audio_format = AudioFormat(
            encoding=Encoding(settings.audio_format),
            sample_rate_hz=settings.sample_rate,
            channels=settings.channels,
        )
        if audio_format != self._actor.audio_format:
            self._actor.inbox.put_now(SetFormat(audio_format, lambda _: None))

    # -- commanded by the session ---------------------------------------------------------------

    def flush(self) -> None:
        """End what is being said (AudioSource)."""
        self._put_end(EndAudio(lambda _: self._session.apply(self._session.core.drained(self.id))))

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
        if self._working is None:
            return
        self._actor.hurry()
        drained = asyncio.get_running_loop().create_future()
        self._put_end(EndAudio(lambda _: drained.set_result(None)))
        # a client that left at the same time has its last item, and the actor ends before ours
        try:
            await asyncio.wait({drained, self._working}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._actor.give_up(SHUTTING_DOWN)
            raise
        finally:
            self._tell_position(last=True)

    # -- helpers --------------------------------------------------------------------------------

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


def _format_of(request: protocol.AudioConfig) -> AudioFormat:
    try:
        return AudioFormat(
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
