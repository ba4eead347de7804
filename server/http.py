"""Plain HTTP on the two ports: the page, health, and refusals before a handshake."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server.addresses import AddressError, parse_address
from server.peer import Port

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


class HttpDoor:
    """Answers what is no WebSocket handshake, and handshakes that cannot be honoured."""

    def __init__(
        self, port: Port, page: Page, ready: Callable[[], bool], draining: Callable[[], bool]
    ) -> None:
        self._port = port
        self._page = page
        self._ready = ready
        self._draining = draining

    async def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """`process_request` of websockets: None lets the handshake go on."""
        if any("websocket" in value.lower() for value in request.headers.get_all("Upgrade")):
            return self._refusal(connection, request)
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path == "/readyz":
            return self._readiness(connection)
        if path in ("/", "/index.html") and self._port is Port.CONTROL:
            return self._html()
        if path == "/":
            return connection.respond(
                HTTPStatus.UPGRADE_REQUIRED,
                "This is the audio port, for WebSocket connections. "
                "The page is on the control port.\n",
            )
        return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")

    def _refusal(self, connection: ServerConnection, request: Request) -> Response | None:
        try:
            address = parse_address(request.path)
        except AddressError as error:
            return connection.respond(HTTPStatus.BAD_REQUEST, f"{error}\n")
        if address is None:
            return connection.respond(
                HTTPStatus.NOT_FOUND, "WebSocket endpoints: / /ws/control /ws/audio\n"
            )
        if self._draining():
            return connection.respond(
                HTTPStatus.SERVICE_UNAVAILABLE, "the server is shutting down; try again shortly\n"
            )
        return None

    def _readiness(self, connection: ServerConnection) -> Response:
        if self._draining():
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        if not self._ready():
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no model loaded yet\n")
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
