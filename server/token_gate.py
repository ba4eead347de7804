"""The gate that asks for a token. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from server.access import FailedAttempts, Identity, TokenTable, role_of
from server.addresses import Auth
from server.credentials import offered_token, without_token
from server.handshake import Handshake, Refusal

HOW = (
    "send it as header `Authorization: Bearer TOKEN`, as WebSocket subprotocols `thai-asr, "
    "token.BASE64URL`, or connect with ?auth=message and send it first (docs/access.md)"
)


class TokenGate:
    """Finds out whose token it is. Where nobody has one (`table` is None), none is asked for."""

    def __init__(
        self,
        table: Callable[[], TokenTable | None],
        attempts: FailedAttempts,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._attempts = attempts
        self._clock = clock

    def __call__(self, handshake: Handshake) -> Handshake | Refusal:
        """The handshake with an identity and without its token; or why not.

        One whose token comes as first message passes without an identity: `check` it then.
        """
        token = offered_token(handshake.headers)
        handshake = replace(handshake, headers=without_token(handshake.headers))
        if self._table() is None:
            return handshake
        if handshake.address.auth is Auth.MESSAGE:
            return self._too_often(handshake) or handshake
        if token is None:
            return Refusal(
                HTTPStatus.UNAUTHORIZED,
                "no_token",
                f"this server asks for a token: {HOW}",
                (("WWW-Authenticate", "Bearer"),),
            )
        return self.check(handshake, token)

    def check(self, handshake: Handshake, token: str) -> Handshake | Refusal:
        """The handshake with the identity that a token stands for; or why not."""
        table = self._table()
        if table is None:
            return handshake
        refusal = self._too_often(handshake)
        if refusal is not None:
            return refusal
        identity = table.find(token)
        if identity is not None:
            return identified(handshake, identity)
        self._attempts.note(handshake.remote, self._clock())
        return Refusal(
            HTTPStatus.UNAUTHORIZED,
            "wrong_token",
            "this server does not know that token",
            (("WWW-Authenticate", 'Bearer error="invalid_token"'),),
        )

    def _too_often(self, handshake: Handshake) -> Refusal | None:
        wait_s = self._attempts.wait_s(handshake.remote, self._clock())
        if wait_s <= 0:
            return None
        return Refusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_attempts",
            f"too many wrong tokens from your address: try again in {math.ceil(wait_s)} s",
            (("Retry-After", str(math.ceil(wait_s))),),
        )


def identified(handshake: Handshake, identity: Identity) -> Handshake:
    """The handshake of somebody known, whose role is that of the token at the most."""
    address = replace(handshake.address, role=role_of(identity, handshake.address.role))
    return replace(handshake, address=address, identity=identity)
