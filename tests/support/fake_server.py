"""Both ports without recognition: records what arrives, says what a test tells it to.

It answers requests as the server does; transcripts and failures are the test's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from server import protocol
from server.addresses import Address, parse_address
from server.handshake import Handshake, Refusal
from server.http import HttpDoor, Page
from server.messages import (
    AudioEndAck,
    ConfigEvent,
    ConfigUpdated,
    Connected,
    ErrorEvent,
    Event,
    Pong,
    RecordingStateEvent,
    ServerStatus,
    optional,
)
from server.model_messages import (
    AvailableModels,
    LoadCancelled,
    ModelInfo,
    ModelLoaded,
    ModelPhase,
    ModelProgress,
)
from server.peer import Port
from tests.support.fake_events import (
    STATUS,
    STREAM_ID,
    TIMESTAMP,
    configured,
    final,
    greeting,
    model,
    partial,
)
from tests.support.open_door import open_door

PAGE = Path(__file__).resolve().parents[2] / "realtime_thai_asr_client.html"

__all__ = ["PAGE", "STREAM_ID", "FakeServer", "final", "model", "partial"]


class FakeServer:
    """One session on two ports. `async with FakeServer() as server`."""

    def __init__(self, ports: Mapping[Port, int] | None = None) -> None:
        self.ports = dict(ports or {})
        """Where to listen (where an earlier one did), or a free port; then where it listens."""
        self.models = [
            model("whisper-base", state="ready"),
            model("typhoon-turbo"),
            model("biodatlab-faster", recommended=True, state="on_disk"),
        ]
        self.current_model = "whisper-base"
        self.load_errors: dict[str, ErrorEvent] = {}
        """What `load_model` answers instead, by model id."""
        self.load_phases: list[ModelProgress] = []
        """Said to every control connection before `load_model` is answered."""
        self.fetched: set[str] = set()
        """Models whose `load_model` waits for `arrive` or `cancel_load`."""
        self._fetches: dict[str, list[tuple[ServerConnection, protocol.LoadModel]]] = {}
        self.notices: list[str] = []
        self.load = 0.0
        self.uptime_s = 1.0
        self.stream_id = STREAM_ID
        self._last_event_id = 0
        self.received_ms = 0
        self.final_latency_ms: int | UnsetType = UNSET
        self.before_ack: list[Event] = []
        """Said to the session when `audio_end` comes, before its acknowledgement."""
        self.acknowledges = asyncio.Event()
        """Cleared, `audio_end` waits for it."""
        self.acknowledges.set()
        self.settings: dict[str, str | int | float | bool | None] = {}
        """What `get_config` answers."""
        self.refused: dict[str, ErrorEvent] = {}
        """What `update_config` answers instead, by setting."""
        self.answers_pings = True
        """If not, pings wait for `release_pongs`."""
        self._pongs: list[tuple[ServerConnection, Pong]] = []
        self.token: str | None = None
        """If set, a handshake without it is refused."""
        self.subprotocols: list[tuple[str, ...]] = []
        """What each WebSocket handshake offered."""
        self.addresses: dict[Port, list[Address]] = {Port.CONTROL: [], Port.AUDIO: []}
        self.requests: list[protocol.Request] = []
        """Everything but audio, of both ports, in order of arrival."""
        self.frames: list[bytes] = []
        self.arrived = asyncio.Condition()
        self._connections: dict[Port, set[ServerConnection]] = {
            Port.CONTROL: set(),
            Port.AUDIO: set(),
        }
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        page = Page.load(PAGE)
        for port in Port:
            door = HttpDoor(
                port, page, unready=lambda: "", draining=lambda: False, gates=(self._admit,)
            )
            listening = await self._stack.enter_async_context(
                serve(
                    functools.partial(self._serve, port),
                    "127.0.0.1",
                    self.ports.get(port, 0),
                    process_request=door.process_request,
                    create_connection=open_door(),
                    select_subprotocol=lambda _, offered: offered[0] if offered else None,
                    compression=None,
                    max_queue=4,
                )
            )
            self.ports[port] = listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close both ports."""
        self.acknowledges.set()
        await self._stack.aclose()

    def number(self, port: Port) -> int:
        """The number of a port."""
        return self.ports[port]

    @property
    def control_url(self) -> str:
        """The control port's address."""
        return f"ws://localhost:{self.number(Port.CONTROL)}"

    @property
    def audio_url(self) -> str:
        """The audio port's address."""
        return f"ws://localhost:{self.number(Port.AUDIO)}"

    @property
    def page_url(self) -> str:
        """Where the page is served."""
        return f"http://localhost:{self.number(Port.CONTROL)}/"

    @property
    def audio(self) -> bytes:
        """All audio so far."""
        return b"".join(self.frames)

    def requests_of(self, kind: type[protocol.Request]) -> list[protocol.Request]:
        """The requests of one type."""
        return [request for request in self.requests if type(request) is kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is asked after every message that arrives."""
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(condition)

    def say(self, *events: Event) -> None:
        """Broadcast to the session: every connection of both ports; its events are numbered."""
        for event in events:
            self._last_event_id += 1
            numbered = hasattr(event, "event_id")
            told = replace(event, event_id=self._last_event_id) if numbered else event
            for port in Port:
                self.say_on(port, told)

    def say_on(self, port: Port, *events: Event) -> None:
        """Say something to the connections of one port."""
        for event in events:
            broadcast(self._connections[port], protocol.encode(event))

    async def hang_up(self, port: Port, code: int = 1011, reason: str = "") -> None:
        """Close every connection of a port."""
        for connection in tuple(self._connections[port]):
            await connection.close(code, reason)

    async def arrive(self, model_id: str) -> None:
        """A model that was waited for is there and answers."""
        self.current_model = model_id
        for socket, request in self._fetches.pop(model_id):
            request_id = optional(request.request_id)
            await self._send(socket, ModelLoaded(model_id=model_id, request_id=request_id))

    async def release_pongs(self) -> None:
        """Answer the pings that wait."""
        waiting, self._pongs = self._pongs, []
        for socket, pong in waiting:
            with contextlib.suppress(ConnectionClosed):
                await self._send(socket, pong)

    def _admit(self, handshake: Handshake) -> Handshake | Refusal:
        offered = handshake.headers.get("sec-websocket-protocol", "")
        self.subprotocols.append(tuple(offered.split(", ")) if offered else ())
        if self.token is None or self.token in offered:
            return handshake
        return Refusal(HTTPStatus.UNAUTHORIZED, "token", "a token is needed")

    async def _serve(self, port: Port, socket: ServerConnection) -> None:
        assert socket.request is not None
        address = parse_address(socket.request.path)
        assert address is not None
        self.addresses[port].append(address)
        self._connections[port].add(socket)
        try:
            if port is Port.CONTROL or address.every_event:
                await self._send(socket, self._connected(address))
            async for message in socket:
                await self._on_message(port, socket, message)
        except ConnectionClosed:
            pass  # the client left without a word
        finally:
            self._connections[port].discard(socket)

    async def _on_message(self, port: Port, socket: ServerConnection, message: str | bytes) -> None:
        parse = protocol.parse_control if port is Port.CONTROL else protocol.parse_audio
        request = parse(message)
        if isinstance(request, protocol.MarkedAudio):
            request = request.data
        async with self.arrived:
            if isinstance(request, bytes):
                self.frames.append(request)
            else:
                self.requests.append(request)
            self.arrived.notify_all()
        if not isinstance(request, bytes):
            await self._answer(socket, request)

    async def _answer(self, socket: ServerConnection, request: protocol.Request) -> None:
        request_id = optional(request.request_id)
        match request:
            case protocol.GetModels():
                models = AvailableModels(models=self._catalogue(), request_id=request_id)
                await self._send(socket, models)
            case protocol.GetStatus():
                await self._send(socket, self._status(request))
            case protocol.Ping():
                self._pongs.append((socket, Pong(timestamp=TIMESTAMP, request_id=request_id)))
                if self.answers_pings:
                    await self.release_pongs()
            case protocol.GetConfig():
                config = ConfigEvent(settings=self.settings, live=[], request_id=request_id)
                await self._send(socket, config)
            case protocol.UpdateConfig():
                await self._update(socket, request)
            case protocol.LoadModel():
                await self._load(socket, request)
            case protocol.CancelLoad():
                await self._cancel(socket, request)
            case protocol.StartRecording():
                self._recording("recording", request)
            case protocol.StopRecording():
                self._recording("idle", request)
            case protocol.AudioConfig():
                await self._send(socket, configured(request, self.stream_id, self.received_ms))
            case protocol.AudioEnd():
                self.say(*self.before_ack)
                await self.acknowledges.wait()
                streams = [self.stream_id]
                ack = AudioEndAck(
                    session_id="default", stream_ids=streams, received_ms=0, request_id=request_id
                )
                await self._send(socket, ack)

    async def _load(self, socket: ServerConnection, request: protocol.LoadModel) -> None:
        request_id = optional(request.request_id)
        self.say_on(Port.CONTROL, *self.load_phases)
        error = self.load_errors.get(request.model_id)
        if error is not None:
            await self._send(socket, replace(error, request_id=request_id))
            return
        if request.model_id in self.fetched:
            self._fetches.setdefault(request.model_id, []).append((socket, request))
            return
        self.current_model = request.model_id
        await self._send(socket, ModelLoaded(model_id=request.model_id, request_id=request_id))

    async def _cancel(self, socket: ServerConnection, request: protocol.CancelLoad) -> None:
        model_id, request_id = request.model_id, optional(request.request_id)
        if model_id not in self._fetches:
            message = f"{model_id} is not being fetched"
            error = ErrorEvent(code="not_fetching", message=message, request_id=request_id)
            await self._send(socket, error)
            return
        await self._send(socket, LoadCancelled(model_id=model_id, request_id=request_id))
        for asker, load in self._fetches.pop(model_id):
            error = ErrorEvent(code="cancelled", message=f"{model_id} was cancelled")
            with contextlib.suppress(ConnectionClosed):
                await self._send(asker, replace(error, request_id=optional(load.request_id)))
        self.say_on(Port.CONTROL, ModelProgress(model_id=model_id, phase=ModelPhase.CANCELLED))

    async def _update(self, socket: ServerConnection, request: protocol.UpdateConfig) -> None:
        request_id = optional(request.request_id)
        for name in self.refused.keys() & request.settings:
            await self._send(socket, replace(self.refused[name], request_id=request_id))
            return
        self.settings |= request.settings
        self.say(ConfigUpdated(settings=request.settings, request_id=request_id))

    def _recording(self, state: str, request: protocol.Request) -> None:
        answered = optional(request.request_id)
        self.say(RecordingStateEvent(state=state, session_id="default", request_id=answered))

    def _catalogue(self) -> list[ModelInfo]:
        return [replace(m, current=m.id == self.current_model) for m in self.models]

    def _connected(self, address: Address) -> Connected:
        return greeting(self.current_model, address, *map(self.number, (Port.CONTROL, Port.AUDIO)))

    def _status(self, request: protocol.Request) -> ServerStatus:
        return replace(
            STATUS,
            current_model=self.current_model,
            uptime_s=self.uptime_s,
            notices=self.notices,
            load=self.load,
            final_latency_ms=self.final_latency_ms,
            request_id=optional(request.request_id),
        )

    @staticmethod
    async def _send(socket: ServerConnection, event: Event) -> None:
        await socket.send(protocol.encode(event))
