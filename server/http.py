"""Plain HTTP on the two ports: the page, health, and refusals before a handshake."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import cast

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from server.addresses import AddressError, parse_address
from server.connection import Connection
from server.handshake import Gate, Handshake, Refusal, judge
from server.metrics import CONTENT_TYPE, Metrics
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


def _headers(request: Request) -> Mapping[str, str]:
    joined: dict[str, str] = {}
    for name, value in request.headers.raw_items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def may_scrape(whom: str, remote: str, headers: Mapping[str, str]) -> bool:
    """Whether the metrics are for an address: `all`, `local` or `off`. Pure.

    What a proxy on this machine forwards comes from elsewhere.
    """
    if whom == "local":
        try:
            address = ip_address(remote)
        except ValueError:
            return False
        forwarded = {"forwarded", "x-forwarded-for", "x-real-ip"} & headers.keys()
        return address.is_loopback and not forwarded
    return whom == "all"


class HttpDoor:
    """Answers what is no WebSocket handshake, and handshakes that cannot be honoured."""

    def __init__(
        self,
        port: Port,
        page: Page,
        *,
        ready: Callable[[], bool],
        draining: Callable[[], bool],
        gates: Sequence[Gate] = (),
        on_refused: Callable[[str], object] = lambda _: None,
        metrics: Metrics | None = None,
        metrics_for: str = "local",
    ) -> None:
        """`on_refused` is told the reason of each handshake that is refused."""
        self._port = port
        self._page = page
        self._ready = ready
        self._draining = draining
        self._gates = gates
        self._on_refused = on_refused
        self._metrics = metrics
        self._metrics_for = metrics_for

    async def process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """`process_request` of websockets: None lets the handshake go on."""
        if any("websocket" in value.lower() for value in request.headers.get_all("Upgrade")):
            return self._handshake(cast(Connection, connection), request)
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if path == "/readyz":
            return self._readiness(connection)
        if path == "/metrics" and self._port is Port.CONTROL and self._metrics is not None:
            return await self._scrape(connection, request, self._metrics)
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

    def _handshake(self, connection: Connection, request: Request) -> Response | None:
        verdict = self._judge(connection, request)
        if isinstance(verdict, Handshake):
            connection.admit(verdict)
            return None
        self._on_refused(verdict.reason)
        logger.info("%s: handshake refused (%s)", self._port.value, verdict.reason)
        response = connection.respond(verdict.status, f"{verdict.message}\n")
        for name, value in verdict.headers:
            response.headers[name] = value
        return response

    def _judge(self, connection: Connection, request: Request) -> Handshake | Refusal:
        try:
            address = parse_address(request.path)
        except AddressError as error:
            return Refusal(HTTPStatus.BAD_REQUEST, "bad_query", str(error))
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
        handshake = Handshake(
            port=self._port,
            address=address,
            remote=str((connection.remote_address or ("",))[0]),
            headers=_headers(request),
        )
        return judge(handshake, self._gates)

    def _readiness(self, connection: ServerConnection) -> Response:
        if self._draining():
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        if not self._ready():
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no model loaded yet\n")
        return connection.respond(HTTPStatus.OK, "ready\n")

    async def _scrape(
        self, connection: ServerConnection, request: Request, metrics: Metrics
    ) -> Response:
        remote = str((connection.remote_address or ("",))[0])
        if not may_scrape(self._metrics_for, remote, _headers(request)):
            return connection.respond(HTTPStatus.FORBIDDEN, "metrics are for this machine only\n")
        body = await metrics.page()
        headers = Headers(
            [
                ("Content-Type", CONTENT_TYPE),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
        )
        return Response(HTTPStatus.OK, "OK", headers, body)

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
