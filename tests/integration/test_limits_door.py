"""Limits at the door, over real sockets: each reached, said, and free again afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Response

from tests.support.running_server import RunningServer, run_server
from tests.support.server_status import open_when_free, status_of
from tests.support.speech import pcm16, utterances

LIMIT_S = 10.0


async def refusal(url: str) -> Response:
    """The answer to a handshake that must be refused."""
    with pytest.raises(InvalidStatus) as refused:
        await connect(url)
    return refused.value.response


@asynccontextmanager
async def raw(server: RunningServer) -> AsyncIterator[asyncio.StreamWriter]:
    """A TCP connection that says nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.audio)
    try:
        yield writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("setting", "status", "reason"),
    [
        ("max_connections_per_address", 429, "too_many_from_address"),
        ("max_connections", 503, "too_many_connections"),
    ],
)
async def test_connections_beyond_a_limit_are_refused_and_places_are_free_again(
    tmp_path: Path, setting: str, status: int, reason: str
) -> None:
    changes: dict[str, Any] = {setting: 3}
    async with run_server(tmp_path, **changes) as server, server.control() as control:
        async with server.audio(), server.audio("?role=viewer"):
            response = await refusal(server.audio_url)
            assert response.status_code == status
            assert int(response.headers["Retry-After"]) > 0
            said = await status_of(control)
            assert said["limits_reached"] == [reason]
            assert said["refusals"] == {reason: 1}
        again = await open_when_free(server.audio_url)
        assert (await status_of(control))["limits_reached"] == []
        await again.close()


async def test_sessions_beyond_the_limit_are_refused_and_those_there_are_joined(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path, max_sessions=2) as server:
        async with server.control("?session=a"), server.control("?session=b"):
            response = await refusal(f"{server.control_url}/?session=c")
            assert response.status_code == 503
            assert b"sessions" in response.body
            async with server.control("?session=a") as joined:
                assert (await status_of(joined))["refusals"] == {"too_many_sessions": 1}
        await (await open_when_free(f"{server.control_url}/?session=c")).close()


async def test_streams_beyond_the_limit_are_refused_and_others_are_let_in(tmp_path: Path) -> None:
    async with run_server(tmp_path, max_streams=1) as server:
        async with server.audio() as speaker:
            assert (await refusal(server.audio_url)).status_code == 503
            async with server.audio("?role=viewer&events=all"), server.control() as control:
                assert (await status_of(control))["refusals"] == {"too_many_streams": 1}
            await speaker.send(pcm16(utterances(1.0)))
            assert (await speaker.until("final_transcription"))["text"]
        await (await open_when_free(server.audio_url)).close()


async def test_a_place_that_is_gone_is_no_way_around_the_limits(tmp_path: Path) -> None:
    """Who says that it comes back, and does not, is closed where it would be one too many."""
    resume = {"type": "resume", "resume_token": "nobody's", "last_event_id": 0}
    async with run_server(tmp_path, max_streams=1) as server, server.audio():
        liar = await connect(f"{server.audio_url}/?resume=back")
        await liar.send(json.dumps(resume))
        with pytest.raises(ConnectionClosed) as closed:
            await liar.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1013,
            "too_many_streams; try again later",
        )
        async with server.control() as control:
            assert (await status_of(control))["refusals"] == {"too_many_streams": 1}


async def test_connections_that_say_nothing_are_few_and_short(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"max_handshakes_per_address": 5, "open_timeout_s": 1.0}
    async with run_server(tmp_path, **changes) as server, AsyncExitStack() as stack:
        for _ in range(5):
            writer = await stack.enter_async_context(raw(server))
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")  # and never an empty line
        with pytest.raises((OSError, WebSocketException)):
            await come_again_and_again(server)  # until the five were all seen
        again = await open_when_gone(server)
        await again.close()


async def come_again_and_again(server: RunningServer) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            await (await connect(server.audio_url)).close()


async def open_when_gone(server: RunningServer) -> ClientConnection:
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                return await connect(server.audio_url)
            await asyncio.sleep(0)


async def test_a_handshake_that_is_dripped_ends_and_hurts_nobody(tmp_path: Path) -> None:
    async with run_server(tmp_path, open_timeout_s=0.2) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.control)
        writer.write(b"GET / HT")
        async with asyncio.timeout(LIMIT_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
        async with server.control() as control:
            await control.until("connected")


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        (b"X-Big: " + b"x" * 9_000, b" 431 "),
        (b"\r\n".join(b"X-%d: x" % number for number in range(200)), b" 431 "),
        (b"\r\n".join(b"X-%d: %s" % (number, b"x" * 8_000) for number in range(100)), b" 431 "),
    ],
)
async def test_headers_are_bounded(tmp_path: Path, header: bytes, answer: bytes) -> None:
    async with run_server(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.control)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n")
        async with asyncio.timeout(LIMIT_S):
            with contextlib.suppress(ConnectionError):
                assert answer in await reader.readline()
        writer.close()
        async with server.control() as control:
            await control.until("connected")


async def test_counts_are_exact_after_a_storm_of_all_kinds_of_ends(tmp_path: Path) -> None:
    """Clean closes, cut connections, refused and broken handshakes: nothing stays counted."""

    async def come_and_go(number: int, server: RunningServer) -> None:
        match number % 4:
            case 0:
                async with server.audio():
                    pass
            case 1:
                socket = await connect(f"{server.control_url}/?session=s{number}")
                socket.transport.abort()
            case 2:
                with contextlib.suppress(InvalidStatus):
                    await connect(f"{server.audio_url}/?role=nobody")
            case _:
                async with raw(server) as writer:
                    writer.write(b"GARBAGE\r\n\r\n")

    async with run_server(tmp_path, max_connections=200) as server:
        for start in range(0, 120, 30):
            await asyncio.gather(*(come_and_go(start + n, server) for n in range(30)))
        async with server.control() as control, asyncio.timeout(LIMIT_S):
            while True:
                status = await status_of(control)
                counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
                if status["clients"] == 1 and counters["handshakes_pending"] == 0:
                    break
        await fill(server, 200)


async def fill(server: RunningServer, places: int) -> None:
    """Every place can be had: no visit that is over holds one."""
    async with AsyncExitStack() as stack:
        for _ in range(places):
            socket = await open_when_free(f"{server.control_url}/?role=viewer")
            stack.push_async_callback(socket.close)
        assert (await refusal(server.control_url)).status_code == 503


async def test_the_limits_are_announced(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"max_streams": 7, "idle_s": 90.0}
    async with run_server(tmp_path, **changes) as server, server.control() as control:
        limits = (await control.until("connected"))["limits"]
    assert limits["max_streams"] == 7
    assert limits["idle_s"] == 90.0
    assert limits["ping_interval_s"] == 20.0
    assert limits["max_audio_rate"] == 4.0
