"""A port of its own for the metrics, so that a firewall can tell it from the others."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from server.handshake import Gate, Refusal, judge
from server.http import caller_of
from server.peer import Port
from server.scrapes import PATH, Scrapes

OPEN_TIMEOUT_S = 5.0


class MetricsDoor:
    """Answers `/metrics` and nothing else; a handshake is none."""

    def __init__(self, scrapes: Scrapes, first_gates: Sequence[Gate], *, secure: bool) -> None:
        self._scrapes = scrapes
        self._first_gates = first_gates
        self._secure = secure

    async def process_request(self, connection: ServerConnection, request: Request) -> Response:
        """`process_request` of websockets: every request is answered here."""
        caller = judge(
            caller_of(connection, request, Port.CONTROL, secure=self._secure), self._first_gates
        )
        if isinstance(caller, Refusal):
            return connection.respond(caller.status, f"{caller.message}\n")
        if request.path.partition("?")[0] != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"here is only {PATH}\n")
        return await self._scrapes.answer(connection, caller)


async def open_metrics_port(
    door: MetricsDoor, host: str, number: int, tls: dict[str, Any]
) -> Server:
    """Listen. Raises OSError."""
    return await serve(
        _never,
        host,
        number,
        process_request=door.process_request,
        open_timeout=OPEN_TIMEOUT_S,
        compression=None,
        server_header=None,
        **tls,
    )


async def _never(connection: ServerConnection) -> None:
    """Every request is answered before it comes to a connection."""
    raise AssertionError(f"{connection.id} is a handshake on the metrics port")
