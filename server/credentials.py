"""Tokens in the headers of a handshake. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence

from websockets.typing import Subprotocol

SUBPROTOCOL = Subprotocol("thai-asr")
"""What the server answers a client that offers it. A token is never answered."""

TOKEN_PREFIX = "token."
"""A browser cannot set headers: it offers the subprotocol `token.BASE64URL` instead."""

UNREADABLE = ""
"""In place of a token that cannot be read; nobody has it."""

AUTHORIZATION = "authorization"
OFFERED = "sec-websocket-protocol"


def offered_token(headers: Mapping[str, str]) -> str | None:
    """The token of a handshake, None if there is none. The header counts before the subprotocol.

    `headers` have names in lower case.
    """
    scheme, _, value = headers.get(AUTHORIZATION, "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    for name in _offers(headers):
        if name.startswith(TOKEN_PREFIX):
            return _decoded(name.removeprefix(TOKEN_PREFIX))
    return None


def without_token(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers for everybody who need not know the token."""
    kept = {name: value for name, value in headers.items() if name != AUTHORIZATION}
    if OFFERED in kept:
        others = (name for name in _offers(headers) if not name.startswith(TOKEN_PREFIX))
        kept[OFFERED] = ", ".join(others)
    return kept


def chosen_subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """What the server answers: its own name, if that was offered, and nothing else ever."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _offers(headers: Mapping[str, str]) -> Iterator[str]:
    return (name.strip() for name in headers.get(OFFERED, "").split(","))


def _decoded(text: str) -> str:
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):  # UnicodeDecodeError is a ValueError
        return UNREADABLE
