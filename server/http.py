"""Plain HTTP on the two ports: the page, health, and refusals before a handshake."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server.addresses import Address, AddressError, parse_address, refuse_secrets
from server.connection import Connection
from server.handshake import Gate, Handshake, Refusal, judge
from server.log_ids import with_fields
from server.peer import Port
from server.scrapes import PATH, Scrapes

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """The HTML page, with a policy that allows just its own script and style."""

    body: bytes
    policy: str

    @classmethod
    def load(cls, path: Path) -> Page:
        """Read the page. Raises OSError."""
        text = path.read_text(encoding="utf-8")
        policy = "; ".join(
            (
                "default-src 'none'",
                f"script-src {_hashes(text, 'script')} data:",
                f"style-src {_hashes(text, 'style')}",
                "connect-src 'self' ws: wss:",
                "img-src data:",
                "media-src blob:",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            )
        )
        return cls(text.encode(), policy)


def _hashes(text: str, tag: str) -> str:
    found = re.findall(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}>", text, re.DOTALL)
    digests = (hashlib.sha256(body.encode()).digest() for body in found)
    return " ".join(f"'sha256-{base64.b64encode(d).decode()}'" for d in digests)


def _headers(request: Request) -> Mapping[str, str]:
    joined: dict[str, str] = {}
    for name, value in request.headers.raw_items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def caller_of(
    connection: ServerConnection, request: Request, port: Port, *, secure: bool
) -> Handshake:
    """Who asks for something, as the first gates judge it."""
    return Handshake(
        port=port,
        address=Address(),
        remote=str((connection.remote_address or ("",))[0]),
        headers=_headers(request),
        secure=secure,
    )


class HttpDoor:
    """Answers what is no WebSocket handshake, and handshakes that cannot be honoured."""

    def __init__(
        self,
        port: Port,
        page: Page,
        *,
        unready: Callable[[], str],
        draining: Callable[[], bool],
        first_gates: Sequence[Gate] = (),
        gates: Sequence[Gate] = (),
        secure: bool = False,
        on_refused: Callable[[str], object] = lambda _: None,
        scrapes: Scrapes | None = None,
    ) -> None:
        """`scrapes` answers for the metrics, where that is done on this port.

        `unready` says why the server is not ready, in words; empty where it is.

        `first_gates` are for every request, `gates` for handshakes after that.

        `on_refused` is told the reason of each that is refused. `secure`: the port speaks TLS.
        """
        self._port = port
        self._page = page
        self._unready = unready
        self._draining = draining
        self._first_gates = first_gates
        self._gates = gates
        self._secure = secure
        self._on_refused = on_refused
        self._scrapes = scrapes

    async def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """`process_request` of websockets: None lets the handshake go on."""
        caller = self._caller(connection, request)
        if isinstance(caller, Refusal):
            return self._refuse(connection, caller, str((connection.remote_address or ("",))[0]))
        if any("websocket" in value.lower() for value in request.headers.get_all("Upgrade")):
            return self._handshake(cast(Connection, connection), caller, request)
        return await self._plain(connection, caller, request.path.partition("?")[0])

    async def _plain(self, connection: ServerConnection, caller: Handshake, path: str) -> Response:
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path == "/readyz":
            return self._readiness(connection)
        if path == PATH and self._scrapes is not None:
            return await self._scrapes.answer(connection, caller)
        return self._static(connection, path)

    def _static(self, connection: ServerConnection, path: str) -> Response:
        if path in ("/", "/index.html") and self._port is Port.CONTROL:
            return self._html()
        if path == "/":
            return connection.respond(
                HTTPStatus.UPGRADE_REQUIRED,
                "This is the audio port, for WebSocket connections. "
                "The page is on the control port.\n",
            )
        return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")

    def _caller(self, connection: ServerConnection, request: Request) -> Handshake | Refusal:
        caller = caller_of(connection, request, self._port, secure=self._secure)
        try:
            refuse_secrets(request.path)
        except AddressError as error:
            return Refusal(HTTPStatus.BAD_REQUEST, error.reason, str(error))
        return judge(caller, self._first_gates)

    def _handshake(
        self, connection: Connection, caller: Handshake, request: Request
    ) -> Response | None:
        verdict = self._judge(caller, request)
        if isinstance(verdict, Refusal):
            return self._refuse(connection, verdict, caller.remote)
        connection.admit(verdict)
        return None

    def _refuse(self, connection: ServerConnection, refusal: Refusal, remote: str) -> Response:
        self._on_refused(refusal.reason)
        port, reason = self._port.value, refusal.reason
        logger.info(
            "%s: handshake refused (%s) of %s",
            port,
            reason,
            remote,
            extra=with_fields(reason=reason, remote=remote, port=port),
        )
        response = connection.respond(refusal.status, f"{refusal.message}\n")
        for name, value in refusal.headers:
            response.headers[name] = value
        return response

    def _judge(self, caller: Handshake, request: Request) -> Handshake | Refusal:
        try:
            address = parse_address(request.path)
        except AddressError as error:
            return Refusal(HTTPStatus.BAD_REQUEST, error.reason, str(error))
        if address is None:
            return Refusal(
                HTTPStatus.NOT_FOUND, "no_endpoint", "WebSocket endpoints: / /ws/control /ws/audio"
            )
        if self._draining():
            return Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "shutting_down",
                "the server is shutting down; try again shortly",
            )
        return judge(replace(caller, address=address), self._gates)

    def _readiness(self, connection: ServerConnection) -> Response:
        if why := self._unready():
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{why}\n")
        return connection.respond(HTTPStatus.OK, "ready\n")

    def _html(self) -> Response:
        headers = Headers(
            [
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Length", str(len(self._page.body))),
                ("Content-Security-Policy", self._page.policy),
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),
                ("Permissions-Policy", "microphone=(self), display-capture=(self)"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
                ("Cache-Control", "no-cache"),
                ("Connection", "close"),
            ]
        )
        return Response(HTTPStatus.OK, "OK", headers, self._page.body)
