"""Connections that never come to a handshake, over real sockets: counted, and said in one line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from tests.support.running_server import RunningServer, run_server

pytestmark = pytest.mark.asyncio

UPGRADE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"


async def knock(server: RunningServer, data: bytes, *, wait: bool) -> None:
    """Send something, wait for the server to close if asked to, and leave."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.control)
    try:
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
            if wait:
                await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("data", "wait", "reason"),
    [
        (b"", False, "no_request"),
        (b"GET / HTTP/1.1\r\nHost: loc", False, "incomplete_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", True, "bad_http"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", True, "headers_too_large"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", True, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", True, "timeout"),
        (UPGRADE + b"\r\n", True, "bad_handshake"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_it_is_counted_by_reason_without_a_stack_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes, wait: bool, reason: str
) -> None:
    caplog.set_level(logging.INFO, logger="server")
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    async with run_server(tmp_path, open_timeout_s=0.3) as server, server.control() as control:
        await knock(server, data, wait=wait)
        async with asyncio.timeout(10):
            counters: dict[str, float] = {}
            while f"handshakes_failed_{reason}" not in counters:
                answer = await control.ask({"type": "get_statistics"}, "statistics")
                counters = answer["counters"]
        assert {name: n for name, n in counters.items() if "handshakes_failed" in name} == {
            f"handshakes_failed_{reason}": 1
        }
        said = [r for r in caplog.records if "without a handshake" in r.getMessage()]
        assert [record.getMessage() for record in said] == [
            f"a connection without a handshake ({reason}) of 127.0.0.1"
        ]
        assert not [record for record in caplog.records if record.exc_info]


async def test_what_is_no_handshake_and_answered_is_no_failure(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        await knock(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", wait=True)
        await knock(server, UPGRADE.replace(b"/ ", b"/elsewhere ") + b"\r\n", wait=True)
        async with server.audio():
            pass
        counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
    assert not [name for name in counters if "handshakes_failed" in name]
