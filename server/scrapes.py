"""Who may read the metrics, and their page as an answer of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Response

from server.handshake import Handshake
from server.metrics import CONTENT_TYPE, Metrics
from server.networks import Networks, ip_of, is_in

PATH = "/metrics"
OFF = "off"
PROXIES_SAY = frozenset(
    ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
)
REFUSED = (
    "metrics are for programs on this machine, and for who sends an admin's token "
    "(Authorization: Bearer TOKEN)\n"
)


def may_scrape(whom: str, remote: str, headers: Mapping[str, str], proxies: Networks = ()) -> bool:
    """Whether the metrics are for an address: `all`, `local` or `off`. Pure.

    What a proxy on this machine forwards comes from elsewhere, whether it says so or not: where
    one is trusted, its address is nobody's at this machine.
    """
    if whom == "local":
        address = ip_of(remote)
        if address is None or not address.is_loopback:
            return False
        return not PROXIES_SAY & headers.keys() and not is_in(proxies, address)
    return whom == "all"


class Scrapes:
    """Answers requests for the metrics.

    `is_admin` says whether a request has an admin's token; `proxies` pass requests to this port.
    """

    def __init__(
        self,
        metrics: Metrics,
        whom: str,
        is_admin: Callable[[Handshake], bool] = lambda _: False,
        proxies: Networks = (),
    ) -> None:
        self._metrics = metrics
        self._whom = whom
        self._is_admin = is_admin
        self._proxies = proxies

    async def answer(self, connection: ServerConnection, caller: Handshake) -> Response:
        """The page, or 403."""
        if not self._lets_in(caller):
            return connection.respond(HTTPStatus.FORBIDDEN, REFUSED)
        body = await self._metrics.page()
        headers = Headers(
            [
                ("Content-Type", CONTENT_TYPE),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
        )
        return Response(HTTPStatus.OK, "OK", headers, body)

    def _lets_in(self, caller: Handshake) -> bool:
        if may_scrape(self._whom, caller.remote, caller.headers, self._proxies):
            return True
        return self._whom != OFF and self._is_admin(caller)
