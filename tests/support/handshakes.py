"""A stand-in for the server: it takes every connection and notes what its handshake said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response


@dataclass(slots=True)
class Noted:
    """Both ports, and all handshakes in order: the path as it came, and the headers."""

    control: int = 0
    audio: int = 0
    full: bool = False
    """Refuses whoever comes, with 503."""
    handshakes: list[tuple[str, Headers]] = field(default_factory=list)


@asynccontextmanager
async def noting_server() -> AsyncIterator[Noted]:
    """Run it on free ports; it says its port's name and waits for the client to leave."""
    noted = Noted()

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        noted.handshakes.append((connection.request.path, connection.request.headers))
        await connection.send("here")
        await connection.wait_closed()

    def refuse(connection: ServerConnection, _: Request) -> Response | None:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n") if noted.full else None

    async with AsyncExitStack() as stack:
        for name in ("control", "audio"):
            server = await stack.enter_async_context(
                serve(handle, "127.0.0.1", 0, process_request=refuse)
            )
            setattr(noted, name, server.sockets[0].getsockname()[1])
        yield noted
