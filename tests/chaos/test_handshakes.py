"""Requests with more behind them than there should be."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from tests.support.raw_websocket import RawWebSocket, handshake
from tests.support.running_server import run_server
from tests.support.watchman import watching

BEHIND = (b"\0" * 20, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5_000, b'{"a": "body"}')
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def everything(raw: RawWebSocket) -> bytes:
    """What comes until the connection ends, in order or not."""
    came = b""
    with contextlib.suppress(OSError):
        while data := await raw.reader.read(65_536):
            came += data
    return came


async def answer(port: int, request: bytes) -> bytes:
    raw = await RawWebSocket.connect(port)
    raw.send(request)
    async with asyncio.timeout(5):
        try:
            return await everything(raw)
        finally:
            raw.reset()


@pytest.mark.parametrize("behind", BEHIND)
async def test_what_comes_behind_a_request_does_not_spoil_its_answer(
    tmp_path: Path, behind: bytes
) -> None:
    async with run_server(tmp_path) as server:
        port = server.app.ports.control
        with watching() as watchman:
            assert (await answer(port, GET + behind)).startswith(b"HTTP/1.1 200")
            refused = await answer(port, handshake("/?role=king") + behind)
            assert refused.startswith(b"HTTP/1.1 400")
            assert b"role" in refused
            assert watchman.troubles == []


async def test_what_is_no_request_and_does_not_end_is_cut_off(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        with watching() as watchman:
            for wrong in (b"GET / HTTP/1.1\r\nno header\r\n", b"NONSENSE\r\n"):
                raw = await RawWebSocket.connect(server.app.ports.audio)
                reading = asyncio.create_task(everything(raw))
                raw.send(wrong)
                for _ in range(20):
                    raw.send(b"X-Filler: " + b"x" * 4_000 + b"\r\n")
                    await asyncio.sleep(0.01)
                assert (await reading) == b"", "what is no HTTP is not answered"
                raw.reset()
            assert watchman.troubles == []


async def worst_lag_s(port: int, request: bytes) -> float:
    """How late the loop is at the worst while the server reads this."""
    lags_s = [0.0]

    async def look() -> None:
        while True:
            due_s = time.monotonic() + 0.001
            await asyncio.sleep(0.001)
            lags_s.append(time.monotonic() - due_s)

    looking = asyncio.create_task(look())
    await answer(port, request)
    await asyncio.sleep(0.01)
    looking.cancel()
    return max(lags_s)


@pytest.mark.parametrize("line", [b"\n", b"GET / HTTP/1.1\n", b"a:b\n"])
async def test_lines_without_end_do_not_hold_the_loop(tmp_path: Path, line: bytes) -> None:
    async with run_server(tmp_path) as server:
        port = server.app.ports.audio
        lags_s = [await worst_lag_s(port, line * 200_000) for _ in range(4)]
        assert min(lags_s) < 0.05, "a busy machine is late now and then, this server every time"


async def test_a_frame_that_comes_with_the_handshake_is_taken_after_it(tmp_path: Path) -> None:
    ping = b'\x81\x8f\0\0\0\0{"type":"ping"}'
    async with run_server(tmp_path) as server:
        raw = await RawWebSocket.connect(server.app.ports.control)
        raw.send(handshake() + ping)
        head = await raw.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        received = [await raw.receive() for _ in range(2)]
        assert b'"connected"' in received[0][1]
        assert b'"pong"' in received[1][1]
        raw.reset()
