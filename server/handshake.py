"""A client's wish to connect, and the gates that it must pass before the handshake. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

from server.access import Identity
from server.addresses import Address
from server.peer import Port


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a gate knows of a connection to be. Gates may add what they found out.

    `remote` is the client's IP address; `headers` are the request's, names in lower case, the
    values of a repeated one joined with a comma. `secure`: the client's connection is encrypted.
    `proxied`: it came through a trusted proxy. `identity` is None where nobody needs a token, and
    until the token came.
    """

    port: Port
    address: Address
    remote: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secure: bool = False
    proxied: bool = False
    identity: Identity | None = None

    @property
    def namespace(self) -> str:
        """Where its session's name counts."""
        return "" if self.identity is None else self.identity.namespace


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake that is answered with an HTTP error. `reason` is stable, for logs and metrics."""

    status: HTTPStatus
    reason: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()


Gate: TypeAlias = Callable[[Handshake], Handshake | Refusal]


def judge(handshake: Handshake, gates: Iterable[Gate]) -> Handshake | Refusal:
    """The handshake as the gates let it pass, or the first refusal."""
    for gate in gates:
        verdict = gate(handshake)
        if isinstance(verdict, Refusal):
            return verdict
        handshake = verdict
    return handshake
