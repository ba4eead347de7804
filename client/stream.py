"""The protocol from a client's side: both ports of one session, over `websockets`.

async with connect(resolve(None, None)) as connection:
    await connection.configure(sample_rate_hz=16_000)
    ...                                   # one task: `async for event in connection`
    await connection.send(pcm)            # another: audio, then
    await connection.end()                # every final of it has been received
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from client.addresses import (
    Addresses,
    audio_beside,
    control_wanted,
    is_loopback,
    what_to_do,
    with_query,
)
from client.events import BadEventError, EventQueue, parse_event
from server import protocol
from server.messages import (
    AudioConfigured,
    AudioEndAck,
    ConfigUpdated,
    Connected,
    ErrorEvent,
    Event,
    FinalTranscription,
    ModelLoaded,
    Notice,
    Pong,
    RealtimeTranscription,
    RecordingStateEvent,
    ServerShutdown,
    ServerStatus,
    SpeechEndedEvent,
    SpeechStartedEvent,
)

logger = logging.getLogger(__name__)

OPEN_LIMIT_S = 10.0
ANSWER_LIMIT_S = 30.0
ACK_LIMIT_S = 120.0
"""The server takes what is on its way and decodes it before it acknowledges `audio_end`."""

PING_TIMEOUT_S = 60.0
WINDOW_S = 2.0
"""At most two windows of audio are on their way. Sockets alone would hold minutes of audio, and
keepalive pongs, which queue up behind it, would come too late on a slow server."""

SAMPLE_BYTES = 2
DEFAULT_RATE_HZ = 16_000
"""What the server expects until it is told otherwise."""

EVENT_QUEUE_LIMIT = 256

ON_BOTH_PORTS = (
    RealtimeTranscription,
    FinalTranscription,
    RecordingStateEvent,
    SpeechStartedEvent,
    SpeechEndedEvent,
    ConfigUpdated,
    ServerShutdown,
)

EventT = TypeVar("EventT", bound=Event)


class ClientError(Exception):
    """Something failed. The message is for the user."""


class ConnectError(ClientError):
    """There is no server, or it does not let this client in."""


class ConnectionLostError(ClientError):
    """The connection ended before this client ended it."""


class RequestFailedError(ClientError):
    """The server refused a request, with a code of the protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AsrConnection:
    """Both ports of a session.

    Iterate it in a task of its own: events that nobody takes end up stopping the answers too.
    Every event comes once, in the order of its port; answers go to whoever asked.
    """

    def __init__(
        self, control: ClientConnection, audio: ClientConnection, connected: Connected
    ) -> None:
        self.connected = connected
        self.stream_ids: tuple[str, ...] = ()
        """This connection's own streams, once configured."""
        self._control = control
        self._audio = audio
        self._events = EventQueue(EVENT_QUEUE_LIMIT)
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._request_ids = count(1)
        self._window_bytes = _window_bytes(DEFAULT_RATE_HZ, 1)
        self._sent_bytes = 0
        self._windows_ahead = 0
        self._window_taken = asyncio.Event()
        self._readers = [
            asyncio.create_task(self._read(control, from_audio=False), name="read control"),
            asyncio.create_task(self._read(audio, from_audio=True), name="read audio"),
        ]

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self._events.get()

    async def configure(self, sample_rate_hz: int, channels: int = 1) -> AudioConfigured:
        """Say what PCM16 audio will follow. Raises RequestFailedError, ConnectionLostError."""
        request = protocol.AudioConfig(
            request_id=self._next_id(), sample_rate=sample_rate_hz, channels=channels
        )
        configured = await self._ask(self._audio, request, AudioConfigured, ANSWER_LIMIT_S)
        self.stream_ids = tuple(configured.stream_ids)
        self._window_bytes = _window_bytes(sample_rate_hz, channels)
        return configured

    async def send(self, pcm: bytes) -> None:
        """Send audio in the configured format; waits while the server takes no more.

        Raises ConnectionLostError.
        """
        try:
            await self._audio.send(pcm)
            self._sent_bytes += len(pcm)
            if self._sent_bytes >= self._window_bytes:
                self._sent_bytes = 0
                await self._next_window()
        except ConnectionClosed as closed:
            raise _lost(closed) from closed

    async def end(self, limit_s: float = ACK_LIMIT_S) -> AudioEndAck:
        """End the audio: returns when every final of it has been received.

        Raises ClientError when that does not happen in time, ConnectionLostError.
        """
        request = protocol.AudioEnd(request_id=self._next_id())
        return await self._ask(self._audio, request, AudioEndAck, limit_s)

    async def load_model(self, model_id: str, limit_s: float | None = None) -> ModelLoaded:
        """Make a model the one that answers. Raises RequestFailedError, ConnectionLostError."""
        request = protocol.LoadModel(request_id=self._next_id(), model_id=model_id)
        return await self._ask(self._control, request, ModelLoaded, limit_s)

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

    async def _next_window(self) -> None:
        """Ping behind the audio: the server reads it, and answers, once it took the audio."""
        self._windows_ahead += 1
        await self._audio.send(msgspec.json.encode(protocol.Ping()).decode())
        while self._windows_ahead > 1 and not self._events.finished:
            self._window_taken.clear()
            await self._window_taken.wait()

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
        self._answers[request.request_id] = answer
        try:
            async with asyncio.timeout(limit_s):
                await socket.send(msgspec.json.encode(request).decode())
                event = await answer
        except TimeoutError as error:
            kind = request.__struct_config__.tag
            raise ClientError(f"no answer to {kind} in {limit_s:.0f} s") from error
        except ConnectionClosed as closed:
            raise _lost(closed) from closed
        finally:
            self._answers.pop(request.request_id, None)
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
        except (ConnectionClosed, BadEventError) as error:
            self._finish(_lost(error))
            return
        self._finish(
            ConnectionLostError(_closed_by_server(socket.close_code, socket.close_reason or ""))
        )

    async def _take(self, event: Event, from_audio: bool) -> None:
        if not from_audio and _comes_on_audio(event):
            return
        if isinstance(event, Pong):
            self._windows_ahead -= 1
            self._window_taken.set()
            return
        request_id = getattr(event, "request_id", msgspec.UNSET)
        answer = None if request_id is msgspec.UNSET else self._answers.get(request_id)
        if answer is None:
            await self._events.put(event)
        elif not answer.done():
            answer.set_result(event)

    def _finish(self, error: ConnectionLostError | None) -> None:
        self._events.finish(error)
        self._window_taken.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error or ConnectionLostError("the connection was closed"))


@asynccontextmanager
async def connect(
    addresses: Addresses,
    *,
    session: str | None = None,
    speaker: str | None = None,
    greeting_limit_s: float = OPEN_LIMIT_S,
) -> AsyncIterator[AsrConnection]:
    """Connect both ports to one session. Raises ConnectError."""
    async with AsyncExitStack() as stack:
        control = await _open(stack, addresses, with_query(addresses.control, session=session))
        connected = await _greeting(control, addresses, greeting_limit_s)
        audio_url = addresses.audio or audio_beside(addresses.control, connected.audio_port)
        url = with_query(audio_url, session=connected.session_id, speaker=speaker, events="all")
        audio = await _open(stack, addresses, url)
        connection = AsrConnection(control, audio, connected)
        stack.push_async_callback(connection.close)
        yield connection


async def _open(stack: AsyncExitStack, addresses: Addresses, url: str) -> ClientConnection:
    try:
        socket = await open_websocket(
            url,
            open_timeout=OPEN_LIMIT_S,
            ping_timeout=PING_TIMEOUT_S,
            compression=None,
            proxy=None if is_loopback(url) else True,
        )
    except InvalidStatus as refused:
        body = (refused.response.body or b"").decode(errors="replace").strip()
        status = refused.response.status_code
        raise ConnectError(f"{url} answered HTTP {status}: {body}") from refused
    except (OSError, InvalidHandshake, TimeoutError) as error:
        reason = str(error) or "no answer"
        raise ConnectError(f"{url}: {reason}\n{what_to_do(addresses)}") from error
    stack.push_async_callback(socket.close)  # as a context, it would close with 1011 on an error
    return socket


async def _greeting(control: ClientConnection, addresses: Addresses, limit_s: float) -> Connected:
    try:
        async with asyncio.timeout(limit_s):
            event = parse_event(await control.recv())
    except TimeoutError as error:
        silent = f"{addresses.control} did not greet in {limit_s:g} s; is it the audio port?"
        raise ConnectError(f"{silent}\n{control_wanted(addresses)}") from error
    except (BadEventError, ConnectionClosed) as error:
        reason = str(error) or type(error).__name__
        other = f"{addresses.control} is not a control port: {reason}"
        raise ConnectError(f"{other}\n{control_wanted(addresses)}") from error
    if not isinstance(event, Connected):
        other = f"{addresses.control} did not greet; is it the audio port?"
        raise ConnectError(f"{other}\n{control_wanted(addresses)}")
    return event


def _window_bytes(sample_rate_hz: int, channels: int) -> int:
    return round(WINDOW_S * sample_rate_hz) * channels * SAMPLE_BYTES


def _comes_on_audio(event: Event) -> bool:
    """Whether an event of the control port is said to the whole session, so to `audio` as well."""
    if isinstance(event, Notice | ErrorEvent):
        return event.stream_id is not msgspec.UNSET
    return isinstance(event, ON_BOTH_PORTS)


def _lost(error: Exception) -> ConnectionLostError:
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return ConnectionLostError(_closed_by_server(error.rcvd.code, error.rcvd.reason))
    return ConnectionLostError(f"the connection to the server was lost: {error}")


def _closed_by_server(code: int | None, reason: str) -> str:
    return f"the server closed the connection ({code} {reason or 'no reason given'})"
