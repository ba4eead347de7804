"""Who is who: tokens, what they stand for, and how often one may guess. Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from server.peer import Role

IPV6_SITE_BITS = 64
"""One customer's network: whoever has an address of it has them all."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token stands for. A session's name counts within its `namespace` only."""

    name: str
    role: Role
    namespace: str
    digest: bytes = field(repr=False)
    """SHA-256 of the token: who has another token is somebody else."""


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def role_of(identity: Identity, asked: Role) -> Role:
    """The role of a connection: its token's, narrowed to viewer by either side."""
    return Role.VIEWER if Role.VIEWER in (identity.role, asked) else identity.role


class TokenTable:
    """Identities by token. `find` takes as long for a token that is wrong as for one that is not.

    Raises ValueError for two identities of one token or one name.
    """

    def __init__(self, identities: Iterable[Identity]) -> None:
        self._identities = tuple(identities)
        if len({i.digest for i in self._identities}) < len(self._identities):
            raise ValueError("two names have the same token")
        if len({i.name for i in self._identities}) < len(self._identities):
            raise ValueError("two tokens have the same name")

    def __len__(self) -> int:
        return len(self._identities)

    def find(self, token: str) -> Identity | None:
        """Whose token it is, compared with every one."""
        digest = digest_of(token)
        found = None
        for identity in self._identities:
            if hmac.compare_digest(identity.digest, digest):
                found = identity
        return found

    def holds(self, identity: Identity) -> bool:
        """Whether a token still stands for the same."""
        return identity in self._identities


@dataclass(slots=True)
class _Failures:
    since_s: float
    count: int = 0


class FailedAttempts:
    """How often an address gave a wrong token.

    After `limit` of them it must wait until `window_s` after the first. At most `longest` addresses
    are remembered: beyond that, the one whose window began first is forgotten.
    """

    def __init__(self, limit: int = 10, window_s: float = 60.0, longest: int = 4_096) -> None:
        self._limit = limit
        self._window_s = window_s
        self._longest = longest
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def note(self, remote: str, now_s: float) -> None:
        """An address gave a wrong token."""
        key = site_of(remote)
        failures = self._failures.get(key)
        if failures is None or now_s >= failures.since_s + self._window_s:
            self._failures.pop(key, None)
            failures = self._failures[key] = _Failures(now_s)
        failures.count += 1
        while len(self._failures) > self._longest:
            self._failures.popitem(last=False)

    def wait_s(self, remote: str, now_s: float) -> float:
        """How long an address must wait before it may try again; 0 for not at all."""
        failures = self._failures.get(site_of(remote))
        if failures is None or failures.count < self._limit:
            return 0.0
        return max(0.0, failures.since_s + self._window_s - now_s)


def site_of(remote: str) -> str:
    """Who has an address, as far as can be told: itself, or the network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if address.version == 4:
        return remote
    return str(ipaddress.ip_network((int(address), IPV6_SITE_BITS), strict=False))
