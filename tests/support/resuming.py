"""A speaker who comes back after lost connections, as docs/resume.md tells developers to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.running_server import EVENT_LIMIT_S

Message = bytes | str


class ResumingClient:
    """Counts what it sends, forgets what is acknowledged, and sends the rest again."""

    def __init__(self, url: str, query: str = "") -> None:
        self.events: list[dict[str, Any]] = []
        self.token = ""
        self.last_event_id = 0
        self.resumed: bool | None = None
        self._url = url
        self._query = query
        self._sent: list[Message] = []
        """What the server has not acknowledged."""
        self._acknowledged = 0
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket is not None:
            await self._socket.close()

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def connect(self, url: str | None = None) -> dict[str, Any]:
        """Connect, or come back; what was not acknowledged is sent again. The greeting."""
        wish = "back" if self.token else "new"
        address = f"{url or self._url}/?resume={wish}{self._query}"
        self._socket = await connect(address, max_size=None)
        if self.token:
            first = {
                "type": "resume",
                "resume_token": self.token,
                "last_event_id": self.last_event_id,
            }
            await self._socket.send(json.dumps(first))
        connected = await self.until("connected")
        self.token = connected["resume_token"]
        self.resumed = connected.get("resumed")
        if not self.resumed:
            self.last_event_id = connected["last_event_id"]
        else:
            self._forget(connected.get("received_messages", 0))
            for message in self._sent:
                await self._socket.send(message)
        return connected

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.socket.transport.abort()

    async def send(self, message: dict[str, Any] | bytes) -> None:
        """Send a message of the audio port; it is kept until it is acknowledged."""
        data = message if isinstance(message, bytes) else json.dumps(message)
        self._sent.append(data)
        await self.socket.send(data)

    async def say(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            await self.send(piece)

    async def lost(self) -> None:
        """Read what has arrived, until the connection is known to be lost."""
        try:
            while True:
                await self._receive()
        except ConnectionClosed:
            return

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of a type; every event is kept in `events`."""
        async with asyncio.timeout(EVENT_LIMIT_S):
            while True:
                event = await self._receive()
                if event["type"] == kind:
                    return event

    async def end(self) -> None:
        """End the audio and wait for its last final."""
        await self.send({"type": "audio_end"})
        await self.until("audio_end_ack")

    @property
    def unacknowledged(self) -> int:
        return len(self._sent)

    def finals(self) -> list[dict[str, Any]]:
        return [e for e in self.events if e["type"] == "final_transcription"]

    def texts(self) -> list[str]:
        return [final["text"] for final in self.finals()]

    async def _receive(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await self.socket.recv())
        self.events.append(event)
        if "event_id" in event:
            assert event["event_id"] > self.last_event_id, "numbers of events only grow"
            self.last_event_id = event["event_id"]
        if event["type"] == "audio_position":
            self._forget(event["received_messages"])
        return event

    def _forget(self, received: int) -> None:
        del self._sent[: received - self._acknowledged]
        self._acknowledged = received
