"""Requests with more behind them than there should be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.raw_websocket import RawWebSocket, handshake
from tests.support.running_server import run_server
from tests.support.watchman import watching

BEHIND = (b"\0" * 20, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5_000, b'{"a": "body"}')
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer(port: int, request: bytes) -> bytes:
    raw = await RawWebSocket.connect(port)
    raw.send(request)
    async with asyncio.timeout(5):
        try:
            return await raw.reader.read()
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
