"""Clients that send too much too fast: they wait, nothing is lost, and others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from server.connection import BURST_S, PIECE_BYTES
from tests.support.running_server import Client, run_server
from tests.support.speaking import say_all
from tests.support.speech import pcm16, utterances

LIMIT_S = 20.0
PING = b'{"type":"ping"}'


def text_frame(payload: bytes) -> bytes:
    """A masked text frame of less than 126 bytes, with a mask of zeros."""
    return struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload


async def flooded(url: str, frame: bytes, stop: asyncio.Event) -> int:
    """Send one frame over and over as fast as the socket takes it; how many it took."""
    async with connect(url, ping_interval=None) as socket:
        sent, batch, full = 0, frame * 200, False
        reading = asyncio.create_task(discard(socket))
        with contextlib.suppress(OSError):
            while not stop.is_set() and not socket.transport.is_closing():
                if not full:
                    socket.transport.write(batch)
                    sent += 200
                full = socket.transport.get_write_buffer_size() > 1_000_000
                await asyncio.sleep(0.01 if full else 0)
        reading.cancel()
        socket.transport.abort()
        return sent


async def discard(socket: Any) -> None:
    async for _ in socket:
        pass


def errors_of(client: Client, code: str) -> list[dict[str, Any]]:
    return [e for e in client.events if e["type"] == "error" and e["code"] == code]


async def test_messages_beyond_the_rate_wait_and_every_one_is_answered(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"max_control_messages_per_s": 100.0}
    async with run_server(tmp_path, **changes) as server, server.control() as control:
        began_s = time.monotonic()
        for number in range(600):
            await control.send({"type": "ping", "request_id": str(number)})
        await control.until("pong", lambda pong: pong["request_id"] == "599")
        # 400 at once, and the rest at 100 a second
        assert time.monotonic() - began_s > 1.0
        pongs = [e["request_id"] for e in control.events if e["type"] == "pong"]
        assert pongs == [str(number) for number in range(600)]
        assert len(errors_of(control, "rate_limited")) == 1


async def test_at_once_comes_what_4_s_allow_and_what_one_piece_holds(tmp_path: Path) -> None:
    rate, frame = 50.0, text_frame(PING)
    async with (
        run_server(tmp_path, max_control_messages_per_s=rate) as server,
        server.control() as control,
    ):
        began_s = time.monotonic()
        control.socket.transport.write(frame * 600)
        for number in range(1, 401):
            await control.until("pong")
            allowed = rate * (BURST_S + time.monotonic() - began_s)
            assert number <= allowed + PIECE_BYTES // len(frame) + 1


async def test_bytes_beyond_the_rate_wait(tmp_path: Path) -> None:
    async with run_server(tmp_path, max_bytes_per_s=50_000.0) as server, server.audio() as audio:
        began_s = time.monotonic()
        texts = await say_all(audio, pcm16(utterances(2.0, 2.0, 2.0)))
        assert time.monotonic() - began_s > 0.5
        assert len(texts) == 3
        assert errors_of(audio, "rate_limited")


@pytest.mark.parametrize("kind", ["message", "ping", "fragment", "bad"])
async def test_a_flood_of_tiny_frames_costs_others_nothing(tmp_path: Path, kind: str) -> None:
    """Another speaker's finals come all the same, and the flood is read slowly."""
    frame = {
        "message": text_frame(PING),
        "ping": struct.pack("!BB4x", 0x89, 0x80),
        "fragment": struct.pack("!BB4x", 0x01, 0x80),
        "bad": text_frame(b"x"),
    }[kind]
    if kind == "fragment":
        frame += struct.pack("!BB4x", 0x00, 0x80) * 3 + struct.pack("!BB4x", 0x80, 0x80)
    async with run_server(tmp_path, max_audio_messages_per_s=100.0) as server:
        stop = asyncio.Event()
        flood = asyncio.create_task(flooded(f"{server.audio_url}/?session=flood", frame, stop))
        try:
            async with asyncio.timeout(LIMIT_S), server.audio("?session=b&events=all") as other:
                assert len(await say_all(other, pcm16(utterances(1.0, 1.0)), pace_s=0.02)) == 2
                async with server.control() as control:
                    counters = await counters_of(control)
        finally:
            stop.set()
        await flood
    assert counters.get("reads_limited", 0) > 0


async def counters_of(control: Client) -> dict[str, Any]:
    answer = await control.ask({"type": "get_statistics"}, "statistics")
    counters: dict[str, Any] = answer["counters"]
    return counters


async def test_a_flood_of_bad_messages_is_answered_a_few_times_and_summed_up(
    tmp_path: Path,
) -> None:
    changes: dict[str, Any] = {"max_errors_per_s": 5.0, "max_control_messages_per_s": 0.0}
    async with run_server(tmp_path, **changes) as server, server.control() as control:
        for _ in range(2_000):  # far more than an outbox holds, and nothing is read meanwhile
            await control.send("x")
        omitted = await control.until("error", lambda e: e["code"] == "errors_omitted")
        answered = [e for e in control.events if e.get("code") == "bad_json"]
        assert 5 <= len(answered) <= 60
        assert int(omitted["message"].split()[0]) > 1_000
        pong = await control.ask({"type": "ping"}, "pong")
        assert pong
        counters = await counters_of(control)
        assert counters["control_messages_refused"] == 2_000


async def test_a_viewers_flood_is_answered_a_few_times(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"max_errors_per_s": 5.0}
    query = "?role=viewer&events=all"
    async with run_server(tmp_path, **changes) as server, server.audio(query) as viewer:
        for _ in range(1_000):
            await viewer.send(b"\0\0")
        await viewer.until("error", lambda e: e["code"] == "errors_omitted")
        assert len([e for e in viewer.events if e.get("code") == "forbidden"]) <= 60


async def test_one_large_message_in_many_reads_is_one_message(tmp_path: Path) -> None:
    """Reading in pieces changes nothing."""
    async with run_server(tmp_path) as server, server.audio() as audio:
        data = pcm16(utterances(2.0, 2.0))
        await audio.send(data + bytes(800_000 - len(data)))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        assert len(audio.finals()) == 2
