"""A thousand connections that come and go, two hundred who only listen, thirty-two who speak.

Each is done once, so that what is made at first use is there, then again, and memory, tasks,
threads and descriptors are those in between.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

from asr.scripted_engine import ScriptedEngine
from tests.support.raw_websocket import RawWebSocket, reset_connection
from tests.support.running_server import RunningServer, ScriptedModels, run_server
from tests.support.speaking import say_all, troubles
from tests.support.speech import pcm16, utterances
from tests.support.watchman import at_rest, back_to, crowded_pools, left_over, watching

STORM = 1_000
AT_ONCE = 50
VIEWERS = 200
SPEAKERS = 32
SAID = pcm16(utterances(1.0, 0.6, 1.4))
RESUME_S = 0.5
EVERYBODY: dict[str, Any] = {"admit_latency_s": 0.0, "resume_s": RESUME_S}
GROWTH_MB = 6.0
"""The allocator keeps some pages of the busiest moment. One buffer of 64 KiB that each of these
connections left behind would be 13 MB of two hundred, and 64 MB of a thousand."""


def rss_mb() -> float:
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


async def storm(server: RunningServer) -> None:
    """Handshakes, refusals, requests and connections that say nothing, each ended in some way."""
    room = asyncio.Semaphore(AT_ONCE)

    async def come_and_go(number: int) -> None:
        chance = random.Random(number)
        port = chance.choice((server.app.ports.control, server.app.ports.audio))
        async with room:
            match number % 4:
                case 0:
                    query = chance.choice(("", "?resume=new", "?role=viewer", "?events=all"))
                    async with connect(f"ws://127.0.0.1:{port}/{query}") as socket:
                        if chance.random() < 0.5:
                            reset_connection(socket.transport)
                case 1:
                    raw, _ = await RawWebSocket.open(port, chance.choice(("/", "/?role=king")))
                    raw.reset()
                case 2:
                    raw = await RawWebSocket.connect(port)
                    raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert (await raw.reader.read()).endswith(b"ok\n")
                    await raw.close()
                case _:
                    raw = await RawWebSocket.connect(port)
                    raw.send(b"GET / HT"[: chance.randrange(9)])
                    raw.reset()

    await asyncio.gather(*map(come_and_go, range(STORM)))


async def listen(server: RunningServer) -> None:
    """Viewers who sit in one session while somebody speaks, and leave."""
    async with AsyncExitStack() as stack:
        viewers = [
            await stack.enter_async_context(server.audio("?session=hall&role=viewer"))
            for _ in range(VIEWERS)
        ]
        async with server.audio("?session=hall&events=all") as audio:
            texts = await say_all(audio, SAID)
        for viewer in viewers:
            while len(viewer.finals()) < len(texts):
                await viewer.until("final_transcription")
            assert viewer.texts() == texts


async def speak(server: RunningServer) -> None:
    """Speakers in sessions of their own, all at the same time."""

    async def one(number: int) -> list[str]:
        async with server.audio(f"?session=s{number}&events=all") as audio:
            texts = await say_all(audio, SAID)
            assert troubles(audio) == []
            return texts

    heard = await asyncio.gather(*map(one, range(SPEAKERS)))
    assert len(heard[0]) == 3
    assert all(texts == heard[0] for texts in heard)


async def leaves_nothing(tmp_path: Path, crowd: Callable[[RunningServer], Awaitable[None]]) -> None:
    engines: list[ScriptedEngine] = []

    def make(spec: Any) -> ScriptedEngine:
        engines.append(ScriptedEngine(spec.id))
        return engines[-1]

    async with run_server(tmp_path, ScriptedModels(make), **EVERYBODY) as server:
        with watching() as watchman:
            await crowd(server)
            await asyncio.sleep(RESUME_S + 1.0)  # and what may come back is given up
            engines[0].batches.clear()  # a test's record, and not the server's
            before, before_mb = await at_rest(), rss_mb()
            await crowd(server)
            engines[0].batches.clear()
            assert await back_to(before) == before
            await asyncio.sleep(RESUME_S + 1.0)
            grown_mb = rss_mb() - before_mb
            assert watchman.troubles == []
        assert left_over() == {}
        assert crowded_pools() == {}
        print(f"grown {grown_mb:.2f} MB")
        assert grown_mb < GROWTH_MB


async def test_a_storm_of_a_thousand_connections_leaves_nothing(tmp_path: Path) -> None:
    await leaves_nothing(tmp_path, storm)


async def test_two_hundred_viewers_leave_nothing(tmp_path: Path) -> None:
    await leaves_nothing(tmp_path, listen)


async def test_thirty_two_speakers_leave_nothing(tmp_path: Path) -> None:
    await leaves_nothing(tmp_path, speak)
