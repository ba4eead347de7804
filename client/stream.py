"""Both ports of one session, as one connection: audio and requests out, typed events in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from itertools import count
from typing import TypeVar

import msgspec
from msgspec import UNSET
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from client.audio_sender import AudioSender
from client.endings import ENDS, LEAVING, closed_by_server, lost
from client.errors import (
    ClientError,
    ConnectionLostError,
    ModelLoadError,
    RequestFailedError,
)
from client.events import IDLE, BadEventError, EventQueue, comes_on_audio, parse_event
from client.resumption import Resumption
from server import protocol
from server.messages import (
    AudioConfigured,
    AudioEndAck,
    Connected,
    ErrorEvent,
    Event,
    Notice,
    Pong,
    ServerStatus,
)
from server.model_messages import AvailableModels, LoadCancelled, ModelLoaded, ModelProgress
from server.resume_messages import AudioPosition

ANSWER_LIMIT_S = 30.0
ACK_LIMIT_S = 120.0
"""The server takes what is on its way and decodes it before it acknowledges `audio_end`."""

FAREWELL_LIMIT_S = 10.0
"""A server that closed the control port and will be back may drain so long before it closes the
other. One that sends this client away for good is waited for longer."""

EVENT_QUEUE_LIMIT = 256

STAYING = "stay"
"""Of the ping that answers a notice of idleness."""

EventT = TypeVar("EventT", bound=Event)


class AsrConnection:
    """Both ports of a session; `connect` makes it.

    Every event comes once, in the order of its port; answers go to whoever asked. Iterate it in a
    task of its own while another sends, or let `transcribe` do both: where nobody takes events,
    the server is held back in the end, and with it the answers to `send` and `end`.

    Iterating ends behind the last final of audio that was ended (`end`), or when the connection
    was closed (`close`); ConnectionLostError comes behind the last event received. Iterating again
    after `end` goes on with what comes next.
    """

    def __init__(
        self,
        control: ClientConnection,
        audio: ClientConnection,
        connected: Connected,
        audio_connected: Connected,
        resumption: Resumption | None = None,
    ) -> None:
        """`connected` and `audio_connected` are the two ports' greetings."""
        self.connected = connected
        self.resumed = resumption is not None and resumption.greeted(audio_connected)
        """Whether this goes on where a lost connection ended."""
        self.stream_ids: tuple[str, ...] = (
            () if audio_connected.stream_ids is UNSET else tuple(audio_connected.stream_ids)
        )
        """This connection's own streams, once configured."""
        self._control = control
        self._audio = audio
        self._resumption = resumption
        self._events = EventQueue(EVENT_QUEUE_LIMIT)
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._watchers: dict[str, tuple[str, Callable[[ModelProgress], object]]] = {}
        """By request: which model's progress is told whom."""
        self._request_ids = count(1)
        self._sender = AudioSender(audio, resumption)
        self._readers = [
            asyncio.create_task(self._read(control, from_audio=False), name="read control"),
            asyncio.create_task(self._read(audio, from_audio=True), name="read audio"),
        ]

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._events.get()
        if isinstance(event, AudioEndAck):
            raise StopAsyncIteration
        return event

    async def transcribe(
        self, audio: AsyncIterable[bytes] | Iterable[bytes]
    ) -> AsyncGenerator[Event, None]:
        """Send all of `audio`, end it, and give every event until its last final.

        The pieces are PCM16 of any size in the configured format. What goes wrong in `audio`
        closes the connection and is raised here, behind what was received.
        Raises ClientError, ConnectionLostError.
        """
        sending = asyncio.create_task(self._send_all(audio), name="send audio")
        try:
            async for event in self:
                yield event
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def configure(self, sample_rate_hz: int, channels: int = 1) -> AudioConfigured:
        """Say what PCM16 audio will follow. Raises RequestFailedError, ConnectionLostError."""
        request = protocol.AudioConfig(
            request_id=self._next_id(), sample_rate=sample_rate_hz, channels=channels
        )
        configured = await self._ask(self._audio, request, AudioConfigured, ANSWER_LIMIT_S)
        self.stream_ids = tuple(configured.stream_ids)
        self.expect_format(sample_rate_hz, channels)
        return configured

    def expect_format(self, sample_rate_hz: int, channels: int) -> None:
        """The server knows the format already: this is how much of it a second is."""
        self._sender.expect_format(sample_rate_hz, channels)

    async def send_again(self) -> None:
        """Send what the server did not take before the connection was lost.

        Before anything else is sent. Raises ConnectionLostError.
        """
        if self.resumed:
            try:
                await self._sender.send_again()
            except ConnectionClosed as closed:
                raise lost(closed) from closed

    @property
    def may_resume(self) -> bool:
        """Whether another connection can go on where this one ends, if it is lost."""
        return self._resumption is not None and self._resumption.possible

    async def send(self, pcm: bytes) -> None:
        """Send audio in the configured format; waits while the server takes no more.

        Raises ConnectionLostError; ClientError for a viewer, who only listens.
        """
        if self.connected.role == "viewer":
            raise ClientError("a viewer only listens: connect without role='viewer' to speak")
        try:
            await self._sender.send(pcm)
        except ConnectionClosed as closed:
            raise lost(closed) from closed

    async def _send_all(self, audio: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        try:
            if isinstance(audio, AsyncIterable):
                async for piece in audio:
                    await self.send(piece)
            else:
                for piece in audio:
                    await self.send(piece)
            await self.end()
        except Exception:
            await self.close()
            raise

    async def end(self, limit_s: float = ACK_LIMIT_S) -> AudioEndAck:
        """End the audio: returns when every final of it has been received.

        Raises ConnectionLostError, also when that does not happen in time.
        """
        request = protocol.AudioEnd(request_id=self._next_id())
        return await self._ask(self._audio, request, AudioEndAck, limit_s)

    async def load_model(
        self,
        model_id: str,
        limit_s: float | None = None,
        on_progress: Callable[[ModelProgress], object] | None = None,
    ) -> ModelLoaded:
        """Make a model the one that answers; the server fetches it first if it must.

        That may take as long as the download: there is no limit unless given. `on_progress` is
        called in the loop's thread; what it raises is raised here. To stop a download,
        `cancel_load`: leaving this does not. Raises ModelLoadError, ConnectionLostError.
        """
        request_id = self._next_id()
        if on_progress is not None:
            self._watchers[request_id] = (model_id, on_progress)
        request = protocol.LoadModel(request_id=request_id, model_id=model_id)
        try:
            return await self._ask(self._control, request, ModelLoaded, limit_s)
        except RequestFailedError as error:
            raise ModelLoadError(model_id, error.code, str(error)) from error
        finally:
            self._watchers.pop(request_id, None)

    async def cancel_load(self, model_id: str) -> LoadCancelled:
        """Stop the download of a model, for all who wait for it; what came is kept.

        Raises RequestFailedError where it is not being fetched, ConnectionLostError.
        """
        request = protocol.CancelLoad(request_id=self._next_id(), model_id=model_id)
        return await self._ask(self._control, request, LoadCancelled, ANSWER_LIMIT_S)

    async def models(self) -> AvailableModels:
        """The server's catalogue. Raises ConnectionLostError."""
        request = protocol.GetModels(request_id=self._next_id())
        return await self._ask(self._control, request, AvailableModels, ANSWER_LIMIT_S)

    async def status(self) -> ServerStatus:
        """What the server says of itself. Raises ConnectionLostError."""
        request = protocol.GetStatus(request_id=self._next_id())
        return await self._ask(self._control, request, ServerStatus, ANSWER_LIMIT_S)

    async def close(self) -> None:
        """Leave. Events that arrived so far can still be taken."""
        self._finish(None)
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _next_id(self) -> str:
        return f"c{next(self._request_ids)}"

    async def _ask(
        self,
        socket: ClientConnection,
        request: protocol.Request,
        expected: type[EventT],
        limit_s: float | None,
    ) -> EventT:
        assert request.request_id is not None
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # was looked at
        self._answers[request.request_id] = answer
        try:
            async with asyncio.timeout(limit_s):
                message = msgspec.json.encode(request).decode()
                await (self._sender.ask(message) if socket is self._audio else socket.send(message))
                event = await answer
        except TimeoutError as error:
            kind = request.__struct_config__.tag
            unanswered = ConnectionLostError(f"no answer to {kind} in {limit_s:.0f} s")
            self._finish(unanswered)
            raise unanswered from error
        except ConnectionClosed as closed:
            raise lost(closed) from closed
        finally:
            del self._answers[request.request_id]
        if isinstance(event, ErrorEvent):
            raise RequestFailedError(event.code, event.message)
        assert isinstance(event, expected)
        return event

    async def _read(self, socket: ClientConnection, *, from_audio: bool) -> None:
        try:
            async for message in socket:
                event = parse_event(message)
                if event is not None:
                    await self._take(event, from_audio)
            ended = closed_by_server(socket.close_code, socket.close_reason or "")
        except (ConnectionClosed, BadEventError) as error:
            ended = lost(error)
        if not from_audio and socket.close_code in LEAVING:
            # finals may still come on the audio port; without them their audio would be sent again
            limit_s = ACK_LIMIT_S if socket.close_code in ENDS else FAREWELL_LIMIT_S
            await asyncio.wait(self._readers[1:], timeout=limit_s)
        self._finish(ended)

    async def _take(self, event: Event, from_audio: bool) -> None:
        if not from_audio and comes_on_audio(event):
            return
        if isinstance(event, AudioPosition):
            if self._resumption is not None:
                self._resumption.acknowledged(event.received_messages)
            return
        if isinstance(event, Pong):
            if event.request_id is UNSET:
                self._sender.pong()
            return
        if isinstance(event, Notice) and event.code == IDLE:
            await self._stay(self._audio if from_audio else self._control)
            return
        if isinstance(event, ModelProgress):
            self._tell_watchers(event)
        request_id = getattr(event, "request_id", msgspec.UNSET)
        answer = None if request_id is msgspec.UNSET else self._answers.get(request_id)
        if answer is None and not isinstance(event, AudioEndAck):
            await self._events.put(event)
        elif answer is not None and not answer.done():
            answer.set_result(event)
            if isinstance(event, AudioEndAck):
                await self._events.put(event)
        if from_audio and self._resumption is not None:
            self._resumption.heard(event)

    async def _stay(self, socket: ClientConnection) -> None:
        """Whoever has this connection still wants it: a message says so."""
        request = protocol.Ping(request_id=STAYING)
        await socket.send(msgspec.json.encode(request).decode())

    def _tell_watchers(self, event: ModelProgress) -> None:
        for request_id, (model_id, on_progress) in tuple(self._watchers.items()):
            answer = self._answers.get(request_id)
            if model_id != event.model_id or answer is None or answer.done():
                continue
            try:
                on_progress(event)
            except Exception as error:  # whoever waits for the model must hear of it
                answer.set_exception(error)

    def _finish(self, error: ConnectionLostError | None) -> None:
        if error is not None:
            self._sender.abandon()
        self._events.finish(error)
        self._sender.stop()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error or ConnectionLostError("the connection was closed"))
