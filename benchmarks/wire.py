"""Audio to a server at a chosen pace, and every event that comes back with its time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import websockets

from benchmarks.dataset import Pcm16

CHUNK_MS = 100
ACK_LIMIT_S = 120.0


@dataclass(slots=True)
class Exchange:
    """One audio connection's events. `at_s` counts from the first sample sent."""

    started_s: float = 0.0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def of_type(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """Events of one type, with their times."""
        return [(at, event) for at, event in self.events if event["type"] == kind]

    @property
    def text(self) -> str:
        """All finals, joined."""
        return " ".join(event["text"] for _, event in self.of_type("final_transcription"))


async def stream(
    url: str, samples: Pcm16, *, speed: float = 1.0, chunk_ms: int = CHUNK_MS
) -> Exchange:
    """Send 16 kHz samples, then `audio_end`; returns when it is acknowledged.

    `speed` 1.0 is real time; 0 is as fast as the server takes it.
    """
    exchange = Exchange()
    query = "&" if "?" in url else "/?" if url.count("/") == 2 else "?"
    async with websockets.connect(f"{url}{query}events=all", max_size=None) as socket:
        exchange.started_s = time.monotonic()
        receiver = asyncio.create_task(_receive(socket, exchange), name="receive")
        step = 16 * chunk_ms
        for index, start in enumerate(range(0, len(samples), step)):
            if speed > 0:
                due_s = exchange.started_s + (index + 1) * chunk_ms / 1000 / speed
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await socket.send(samples[start : start + step].tobytes())
        await socket.send(json.dumps({"type": "audio_end"}))
        await asyncio.wait_for(receiver, ACK_LIMIT_S)
    return exchange


async def _receive(socket: websockets.ClientConnection, exchange: Exchange) -> None:
    async for message in socket:
        event = json.loads(message)
        exchange.events.append((time.monotonic() - exchange.started_s, event))
        if event["type"] == "audio_end_ack":
            return
