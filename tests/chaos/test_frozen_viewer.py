"""A viewer that reads nothing: nobody waits for it, and it can come back to what it missed."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

from websockets.asyncio.client import ClientConnection

from server.outbox import CLOSE_S, MAX_EVENTS
from tests.support.raw_websocket import reset_connection
from tests.support.resuming import ResumingClient
from tests.support.running_server import Client, RunningServer, run_server
from tests.support.speaking import say
from tests.support.speech import pcm16, utterances

SENTENCES = pcm16(utterances(*[0.6] * 8))
ROUNDS = 3
WORTH_NOTICING_S = 0.010
"""A busy machine delays what comes within a millisecond by as much."""

ID_CHARS, GLOSSARY_CHARS = 250, 200
"""Nearly the longest, of three bytes each: buffers count bytes, what is kept counts characters."""

NEWS = 600
"""Enough to fill the buffers and the outbox, and few enough to be kept."""

RECEIVE_BYTES = 16_384


@asynccontextmanager
async def viewer_of(server: RunningServer, session: str) -> AsyncIterator[ResumingClient]:
    """A viewer. It leaves without waiting for an answer."""
    viewer = ResumingClient(server.audio_url, f"&role=viewer&session={session}")
    await viewer.connect()
    yield viewer
    reset_connection(viewer.socket.transport)


def freeze(client: ResumingClient) -> ClientConnection:
    """Read nothing more."""
    socket = client.socket
    socket.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES)
    socket.transport.pause_reading()
    return socket


def thaw(socket: ClientConnection) -> None:
    """Read on."""
    socket.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 1_000_000)
    socket.transport.resume_reading()


async def spread_news(control: Client, count: int) -> None:
    """Large events for everybody in the session."""
    for number in range(count):
        glossary = f"{number} ".ljust(GLOSSARY_CHARS, "ก")
        news = {"type": "update_config", "settings": {"glossary": glossary}}
        await control.ask({**news, "request_id": "ก" * ID_CHARS}, "config_updated")


async def slow_one_closed(control: Client) -> None:
    """Wait until the server has given up a viewer that does not read."""
    for _ in range(round(5 * CLOSE_S / 0.1)):
        if await slow_clients_closed(control):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("a viewer that reads nothing was not closed")


async def slow_clients_closed(control: Client) -> float:
    answer = await control.ask({"type": "get_statistics"}, "statistics")
    closed: float = answer["counters"].get("slow_clients_closed", 0)
    return closed


def news_of(events: list[dict[str, Any]]) -> list[int]:
    return [
        int(event["settings"]["glossary"].split()[0])
        for event in events
        if event["type"] == "config_updated"
    ]


async def test_a_frozen_viewer_is_closed_and_comes_back_to_all_it_missed(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, max_control_messages_per_s=0.0) as server,
        server.control("?session=s") as control,
        server.audio("?session=s&events=all&role=viewer") as other,
        viewer_of(server, "s") as viewer,
    ):
        frozen = freeze(viewer)
        reading = asyncio.create_task(read_on(other))
        async with server.audio("?session=s&events=all") as speaker:
            await say(speaker, SENTENCES)
            await speaker.ask({"type": "audio_end"}, "audio_end_ack")
        await spread_news(control, NEWS)
        await slow_one_closed(control)
        reading.cancel()
        thaw(frozen)
        await viewer.lost()
        assert frozen.close_code == 1006, "who reads nothing gets no close frame either"
        assert (await viewer.connect())["resumed"]
        await control.send({"type": "stop_recording", "request_id": "the end"})
        while not viewer.events or viewer.events[-1].get("request_id") != "the end":
            await viewer.until("recording_state")
        assert viewer.texts() == speaker.texts()
        codes = [e["code"] for e in viewer.events if e["type"] == "notice"]
        assert news_of(viewer.events) == list(range(NEWS))
        assert codes == []


async def read_on(client: Client) -> None:
    while True:
        await client.until("config_updated")


async def delays_s(server: RunningServer, session: str) -> list[float]:
    """From what the speaker hears to the same at a viewer, of each transcript."""
    async with (
        server.audio(f"?session={session}&events=all") as speaker,
        server.audio(f"?session={session}&events=all&role=viewer") as viewer,
    ):
        heard: dict[int, dict[int, float]] = {0: {}, 1: {}}

        async def listen(number: int, client: Client) -> None:
            while len(client.finals()) < 8:
                event = await client.until("final_transcription")
                heard[number][event["event_id"]] = time.monotonic()

        both = [asyncio.create_task(listen(n, c)) for n, c in enumerate((speaker, viewer))]
        await say(speaker, SENTENCES, 0.005)
        await speaker.send({"type": "audio_end"})
        await asyncio.gather(*both)
        return [abs(at_s - heard[0][event_id]) for event_id, at_s in heard[1].items()]


@asynccontextmanager
async def frozen_viewer(server: RunningServer, session: str) -> AsyncIterator[None]:
    """Its buffers are full, and its outbox is filling."""
    async with viewer_of(server, session) as viewer:
        freeze(viewer)
        async with server.control(f"?session={session}") as control:
            await spread_news(control, NEWS - MAX_EVENTS // 2)
        yield


async def test_a_frozen_viewer_delays_nobody(tmp_path: Path) -> None:
    async with run_server(tmp_path, max_control_messages_per_s=0.0) as server:
        without: list[float] = []
        beside: list[float] = []
        for number in range(ROUNDS):
            without += await delays_s(server, f"free-{number}")
            async with frozen_viewer(server, f"frozen-{number}"):
                beside += await delays_s(server, f"frozen-{number}")
        assert len(without) == len(beside) == 8 * ROUNDS
        assert statistics.median(beside) < 1.5 * statistics.median(without) + WORTH_NOTICING_S
