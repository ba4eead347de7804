"""The rules of access as they are in force: who is let in, and who is not any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection

from server.access import FailedAttempts, TokenTable
from server.access_file import AccessError, read_tokens
from server.addresses import Auth
from server.callers import AllowedAddresses, TrustedProxies
from server.connection import Connection
from server.credentials import offered_token
from server.exposure import Exposure
from server.first_words import UNAUTHORISED, read_token, say_unauthorised
from server.handshake import Gate, Handshake, Refusal
from server.lobby import Lobby
from server.log_ids import with_fields
from server.networks import is_loopback, parse_networks
from server.origins import Pages, parse_allowed
from server.peer import Role
from server.settings import Settings
from server.tls import HANDSHAKE_S, certificate_of
from server.token_gate import TokenGate

logger = logging.getLogger(__name__)

TRY_AGAIN_LATER = 1013
TOKEN_GONE = "this token is no longer valid"


class AccessControl:
    """Tokens, certificate and gates. `token` is that of the environment.

    Raises AccessError where the server must not start, SettingError for a setting that is none.
    """

    def __init__(
        self,
        settings: Settings,
        token: str,
        ports: Callable[[], tuple[int, ...]],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._token = token
        self._path = Path(settings.access_file) if settings.access_file else None
        self._proxies = parse_networks("trusted_proxies", settings.trusted_proxies)
        self._certificate = certificate_of(settings.tls_cert, settings.tls_key)
        self._table: TokenTable | None = read_tokens(self._path, token)
        self.exposure = self._expose()
        self._lobby = Lobby()
        self._gate = TokenGate(lambda: self._table, FailedAttempts(), clock)
        allowed, any_origin = parse_allowed(settings.allowed_origins)
        pages = Pages(is_loopback(settings.host), settings.file_pages, allowed, any_origin, ports)
        addresses = parse_networks("allowed_addresses", settings.allowed_addresses)
        self.first_gates: tuple[Gate, ...] = (
            TrustedProxies(self._proxies),
            AllowedAddresses(addresses),
            pages.check_host,
        )
        """What every request must pass, of the page too."""
        self.gates: tuple[Gate, ...] = (pages.check_origin, self._gate)
        """What a handshake must pass after them."""

    def _expose(self) -> Exposure:
        exposure = Exposure(
            self._settings.host,
            has_tokens=self._table is not None,
            has_tls=self._certificate is not None,
            by_proxy=bool(self._proxies),
            insecure=self._settings.insecure,
        )
        objection = exposure.objection()
        if objection is not None:
            raise AccessError(objection)
        for door in exposure.open_doors():
            logger.warning("OPEN: %s", door)
        return exposure

    @property
    def guarded(self) -> bool:
        """Whether a token is asked for."""
        return self._table is not None

    @property
    def secure(self) -> bool:
        """Whether both ports speak TLS."""
        return self._certificate is not None

    @property
    def private(self) -> bool:
        """Whether whoever connects is at this machine: unnamed sessions can be shared."""
        return not self.exposure.beyond and not self._proxies

    def tls_options(self) -> dict[str, Any]:
        """What `serve` of websockets needs to know."""
        if self._certificate is None:
            return {}
        return {"ssl": self._certificate.context, "ssl_handshake_timeout": HANDSHAKE_S}

    async def authenticate(
        self, handshake: Handshake, connection: ServerConnection, max_size_bytes: int
    ) -> Handshake | None:
        """The handshake once it is known whose it is; None, and it is closed, if it is nobody's.

        Until then the connection is in no session and hears nothing. Raises ConnectionClosed.
        """
        if handshake.address.auth is Auth.MESSAGE:
            return await self._ask(handshake, connection, max_size_bytes)
        if self.stands(handshake):
            return handshake
        await connection.close(UNAUTHORISED, TOKEN_GONE)
        return None

    async def _ask(
        self, handshake: Handshake, connection: ServerConnection, max_size_bytes: int
    ) -> Handshake | None:
        if not self._lobby.enter(handshake.remote):
            await connection.close(TRY_AGAIN_LATER, "too many connections wait to authenticate")
            return None
        try:
            request = await read_token(connection, self._settings.authenticate_s, max_size_bytes)
        finally:
            self._lobby.leave(handshake.remote)
        if request is None:
            return None
        verdict = self._gate.check(handshake, request.token)
        if isinstance(verdict, Refusal):
            port, reason = handshake.port.value, verdict.reason
            logger.info("%s: not let in (%s)", port, reason, extra=with_fields(reason=reason))
            await say_unauthorised(connection, verdict.message, request.request_id)
            return None
        if isinstance(connection, Connection):
            connection.admitted = verdict
        return verdict

    def is_admin(self, caller: Handshake) -> bool:
        """Whether a request that is no handshake brings an admin's token. Wrong ones count."""
        token = offered_token(caller.headers)
        if self._table is None or token is None:
            return False
        verdict = self._gate.check(caller, token)
        identity = verdict.identity if isinstance(verdict, Handshake) else None
        return identity is not None and identity.role is Role.ADMIN

    async def reload(self, connections: Iterable[ServerConnection]) -> None:
        """Read tokens and certificate again; what is bad in them is logged, and the old stays.

        Connections whose token is gone, or stands for something else now, are closed.
        """
        try:
            if self._certificate is not None:
                await asyncio.to_thread(self._certificate.reload)
                logger.info("certificate read again")
        except AccessError as error:
            logger.error("the old certificate stays: %s", error)
        try:
            table = await asyncio.to_thread(read_tokens, self._path, self._token)
        except AccessError as error:
            logger.error("the old tokens stay: %s", error)
            return
        self._table = table
        if table is not None:
            logger.info("tokens read again: %d", len(table))
        await self._close_gone(connections)

    async def _close_gone(self, connections: Iterable[ServerConnection]) -> None:
        gone = [
            connection
            for connection in connections
            if isinstance(connection, Connection)
            and connection.admitted is not None
            and not self.stands(connection.admitted)
        ]
        for connection in gone:
            assert connection.admitted is not None
            assert connection.admitted.identity is not None
            logger.info(
                "closing a connection of %s: its token is gone", connection.admitted.identity.name
            )
        await asyncio.gather(*(c.close(UNAUTHORISED, TOKEN_GONE) for c in gone))

    def stands(self, handshake: Handshake) -> bool:
        """Whether who was let in by this handshake still has a token that stands for the same."""
        if handshake.identity is None or self._table is None:
            return True
        return self._table.holds(handshake.identity)
