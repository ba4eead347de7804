"""A client that reads nothing, its buffers full: whatever ends connections ends its, too."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from tests.support.narrow_socket import narrow_socket
from tests.support.open_door import open_door
from tests.support.raw_websocket import PING, frame, handshake
from tests.support.running_server import RunningServer, run_server
from tests.support.watchman import at_rest, back_to, watching

NEWS = 200
"""More than fills the buffers, and fewer than the outbox holds."""

ID_CHARS, GLOSSARY_CHARS = 250, 200
MUCH_BYTES = 800_000
LIMIT_S = 15.0
PINGED_S = 1.0
PINGED: dict[str, Any] = {"ping_interval_s": PINGED_S, "ping_timeout_s": PINGED_S}

PINGS = frame(PING, b"x" * 125) * 200
BUFFERS_BYTES = 16_000_000
"""More than the system ever takes for a server that does not read."""


@asynccontextmanager
async def full(server: RunningServer) -> AsyncIterator[ClientConnection]:
    """A viewer that has read nothing for so long that nothing more fits its buffers."""
    address = f"{server.audio_url}/?session=s&events=all&role=viewer"
    narrow = narrow_socket(server.app.ports.audio)
    async with connect(address, sock=narrow, ping_interval=None) as viewer:
        viewer.transport.pause_reading()
        async with server.control("?session=s") as control:
            news = {"type": "update_config", "request_id": "ก" * ID_CHARS}
            for number in range(NEWS):
                glossary = str(number).ljust(GLOSSARY_CHARS, "ก")
                await control.send({**news, "settings": {"glossary": glossary}})
            await control.ask({"type": "ping"}, "pong")
        try:
            yield viewer
        finally:
            viewer.transport.abort()


async def others(server: RunningServer) -> int:
    """How many clients the server has, but the one that asks."""
    async with server.control() as control:
        status = await control.ask({"type": "get_status"}, "server_status")
        clients: int = status["clients"]
        return clients - 1


async def until_nobody(server: RunningServer) -> None:
    """Wait until the server has no client."""
    async with asyncio.timeout(LIMIT_S):
        while await others(server):  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "changes",
    [PINGED, {"max_session_s": 3.0}, {"idle_s": 1.0}],
    ids="+".join,
)
async def test_who_reads_nothing_is_gone(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with run_server(tmp_path, max_control_messages_per_s=0.0, **changes) as server:
        with watching() as watchman:
            before = await at_rest()
            async with full(server):
                assert await others(server) == 1
                await until_nobody(server)
            assert await back_to(before) == before
            assert watchman.troubles == []


async def test_who_reads_slowly_stays() -> None:
    """Its pong comes behind what it has not read yet: longer than pongs are waited for."""
    spoken_to: list[ServerConnection] = []

    async def say_much(connection: ServerConnection) -> None:
        spoken_to.append(connection)
        await connection.send("x" * MUCH_BYTES)
        await connection.wait_closed()

    async with serve(
        say_much,
        "127.0.0.1",
        0,
        create_connection=open_door(),
        compression=None,
        ping_interval=0.5,
        ping_timeout=1.5,
    ) as server:
        with narrow_socket(server.sockets[0].getsockname()[1]) as narrow:
            narrow.setblocking(False)
            async with asyncio.timeout(60):
                assert await sipped_bytes(narrow) >= MUCH_BYTES
            assert [connection.state for connection in spoken_to] == [State.OPEN]


async def sipped_bytes(narrow: socket.socket) -> int:
    """How much comes to a viewer that reads a little at a time."""
    loop, count = asyncio.get_running_loop(), 0
    await loop.sock_sendall(narrow, handshake("/"))
    while count < MUCH_BYTES and (sip := await loop.sock_recv(narrow, 4_096)):
        count += len(sip)
        await asyncio.sleep(0.02)
    return count


async def test_who_pings_and_reads_nothing_is_gone(tmp_path: Path) -> None:
    changes = {"max_control_messages_per_s": 0.0, **PINGED}
    async with run_server(tmp_path, **changes) as server, full(server) as viewer:
        pinging = asyncio.create_task(ping_on(viewer))
        try:
            await until_nobody(server)
        finally:
            pinging.cancel()


async def ping_on(viewer: ClientConnection) -> None:
    while True:
        viewer.transport.write(frame(PING, b"x"))
        await asyncio.sleep(PINGED_S / 4)


async def test_pongs_that_nobody_reads_do_not_pile_up(tmp_path: Path) -> None:
    """Each ping has a pong: who does not read those is not read from, and gone."""
    async with run_server(tmp_path, max_audio_messages_per_s=0.0, **PINGED) as server:
        with narrow_socket(server.app.ports.audio) as narrow:
            narrow.setblocking(False)
            async with asyncio.timeout(LIMIT_S):
                assert await pinged_until_cut_off(narrow) < BUFFERS_BYTES


async def pinged_until_cut_off(narrow: socket.socket) -> int:
    """How many bytes of pings the server took of a viewer that reads nothing."""
    loop, sent_bytes = asyncio.get_running_loop(), 0
    await loop.sock_sendall(narrow, handshake("/?role=viewer"))
    with contextlib.suppress(ConnectionError):
        while sent_bytes < BUFFERS_BYTES:
            await loop.sock_sendall(narrow, PINGS)
            sent_bytes += len(PINGS)
    return sent_bytes
