"""The way of audio to the server: what is on its way is bounded, and kept until it is taken."""

from __future__ import annotations

import asyncio

import msgspec
from websockets.asyncio.client import ClientConnection

from client.resumption import Resumption
from server import protocol

WINDOW_S = 2.0
"""At most two windows of audio are on their way. Sockets alone would hold minutes of audio, and
keepalive pongs, which queue up behind it, would come too late on a slow server."""

SAMPLE_BYTES = 2
DEFAULT_RATE_HZ = 16_000
"""What the server expects until it is told otherwise."""


class AudioSender:
    """Sends on the audio port; its methods raise ConnectionClosed.

    Overflow: `send` waits until the server has taken all but two windows.
    """

    def __init__(self, socket: ClientConnection, resumption: Resumption | None) -> None:
        self._socket = socket
        self._resumption = resumption
        self._window_bytes = _window_bytes(DEFAULT_RATE_HZ, 1)
        self._sent_bytes = 0
        self._windows_ahead = 0
        self._window_taken = asyncio.Event()
        self._stopped = False

    def expect_format(self, sample_rate_hz: int, channels: int) -> None:
        """How much audio a second is."""
        self._window_bytes = _window_bytes(sample_rate_hz, channels)

    async def send(self, pcm: bytes) -> None:
        """Send audio."""
        if self._resumption is not None:
            self._resumption.sending(pcm)
        await self._send(pcm)

    async def ask(self, message: str) -> None:
        """Send a request behind the audio."""
        if self._resumption is not None:
            self._resumption.sending(message)
        await self._socket.send(message)

    async def send_again(self) -> None:
        """Send what the server did not take before a connection was lost, ahead of the rest."""
        if self._resumption is not None:
            for message in self._resumption.unacknowledged():
                await self._send(message)

    def pong(self) -> None:
        """The server took a window."""
        self._windows_ahead -= 1
        self._window_taken.set()

    def stop(self) -> None:
        """Nothing is taken any more: who waits for that, waits no longer."""
        self._stopped = True
        self._window_taken.set()

    def abandon(self) -> None:
        """Lose the connection: closed properly, the place would be given up."""
        if self._resumption is not None and self._resumption.possible:
            self._socket.transport.abort()

    async def _send(self, message: bytes | str) -> None:
        await self._socket.send(message)
        self._sent_bytes += len(message)
        if self._sent_bytes >= self._window_bytes:
            self._sent_bytes = 0
            await self._next_window()

    async def _next_window(self) -> None:
        """Ping behind the audio: the server reads it, and answers, once it took the audio."""
        self._windows_ahead += 1
        await self._socket.send(msgspec.json.encode(protocol.Ping()).decode())
        while self._windows_ahead > 1 and not self._stopped:
            self._window_taken.clear()
            await self._window_taken.wait()


def _window_bytes(sample_rate_hz: int, channels: int) -> int:
    return round(WINDOW_S * sample_rate_hz) * channels * SAMPLE_BYTES
