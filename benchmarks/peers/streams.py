"""Paced audio to any peer over WebSocket, and the texts that come back with their times."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import websockets

from benchmarks.dataset import Pcm16
from benchmarks.peers.protocol import Peer, RefusedError, Session, Text
from benchmarks.server_process import RunningServer
from benchmarks.wire import CHUNK_MS

READY_LIMIT_S = 120.0
DRAIN_LIMIT_S = 60.0
"""Texts that are later than this after the end of a stream's audio are not waited for."""


@dataclass(slots=True)
class Streamed:
    """One stream's texts; `started_s` and `ended_s` are moments of `time.monotonic`.

    A stream ends with its audio or its last text, whichever is later, or where the wait for a
    server that is not done was given up: CPU is counted until then. `refused` and `broken` say
    why a stream was turned away before its first sample, or cut short after it.
    """

    started_s: float = 0.0
    ended_s: float = 0.0
    refused: str | None = None
    broken: str | None = None
    texts: list[Text] = field(default_factory=list)


async def stream_all(peer: Peer, server: RunningServer, audio: Sequence[Pcm16]) -> list[Streamed]:
    """All streams at once, started over the first second so that no two chunks coincide."""

    async def one(index: int, samples: Pcm16) -> Streamed:
        await asyncio.sleep((index * 0.137) % 1.0)
        return await stream(*peer.session(server, index), samples)

    return await asyncio.gather(*(one(i, samples) for i, samples in enumerate(audio)))


async def stream(url: str, session: Session, samples: Pcm16) -> Streamed:
    """Send 16 kHz samples in real time; returns when no more text is to come."""
    result = Streamed()
    try:
        # A busy server that answers pings late is slow, not gone: no keepalive.
        async with websockets.connect(
            url, max_size=None, ping_interval=None, open_timeout=READY_LIMIT_S
        ) as socket:
            await asyncio.wait_for(_begin(socket, session), READY_LIMIT_S)
            result.started_s = result.ended_s = time.monotonic()
            receiver = asyncio.create_task(_receive(socket, session, result), name="receive")
            try:
                await _send(socket, session, samples, result.started_s)
                result.ended_s = max(result.ended_s, time.monotonic())
                await _drain(session, result, receiver)
            finally:
                receiver.cancel()
                await asyncio.gather(receiver, return_exceptions=True)
    except RefusedError as error:
        result.refused = str(error)
    except (websockets.ConnectionClosed, TimeoutError) as error:
        reason = str(error) or f"not ready in {READY_LIMIT_S:.0f} s"
        if result.started_s:
            result.broken = reason
        else:
            result.refused = reason
    return result


async def _begin(socket: websockets.ClientConnection, session: Session) -> None:
    opening = session.opening()
    if opening is not None:
        await socket.send(opening)
    message = None
    while not session.is_ready(message):
        message = json.loads(await socket.recv())
    started = session.started()
    if started is not None:
        await socket.send(started)


async def _send(
    socket: websockets.ClientConnection, session: Session, samples: Pcm16, started_s: float
) -> None:
    step = 16 * CHUNK_MS
    for index, start in enumerate(range(0, len(samples), step)):
        due_s = started_s + (index + 1) * CHUNK_MS / 1000
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await socket.send(session.chunk(samples[start : start + step]))
    last = session.after_audio()
    if last is not None:
        await socket.send(last)


async def _receive(socket: websockets.ClientConnection, session: Session, result: Streamed) -> None:
    async for message in socket:
        now_s = time.monotonic()
        texts = session.texts(now_s - result.started_s, json.loads(message))
        if texts:
            result.texts += texts
            result.ended_s = now_s


async def _drain(session: Session, result: Streamed, receiver: asyncio.Task[None]) -> None:
    """Wait for the texts that are still due. Raises what ended the receiver early."""
    give_up_s = time.monotonic() + DRAIN_LIMIT_S
    while (now_s := time.monotonic()) < give_up_s:
        if session.is_complete(now_s - result.ended_s):
            return
        if receiver.done():
            await receiver
            result.broken = "closed by the server"
            return
        await asyncio.sleep(0.1)
    result.ended_s = time.monotonic()
