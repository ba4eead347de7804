"""Gates: where a client really is, and whether it may come from there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address

from server.handshake import Handshake, Refusal
from server.networks import Networks, ip_of, is_in

FORWARDED_FOR = "x-forwarded-for"
FORWARDED_PROTO = "x-forwarded-proto"

UNREADABLE = Refusal(
    HTTPStatus.BAD_REQUEST, "forwarded", "the proxy's X-Forwarded-For holds what is no address"
)


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """What a trusted proxy says of its client is believed; what anybody else says is not.

    The client is the right-most address that no trusted proxy has: each proxy appends whom it
    heard from, and what stands left of that is the client's own invention.
    """

    networks: Networks

    def __call__(self, handshake: Handshake) -> Handshake | Refusal:
        """The handshake with its client's own address."""
        peer = ip_of(handshake.remote)
        if peer is None:
            return handshake
        if not is_in(self.networks, peer) or FORWARDED_FOR not in handshake.headers:
            return replace(handshake, remote=str(peer))
        client = self._client(handshake.headers[FORWARDED_FOR].split(","))
        if client is None:
            return UNREADABLE
        # the proxy that is next to us says it last
        scheme = handshake.headers.get(FORWARDED_PROTO, "").rpartition(",")[2].strip().lower()
        secure = scheme in ("https", "wss") if scheme else handshake.secure
        return replace(handshake, remote=str(client), proxied=True, secure=secure)

    def _client(self, hops: Iterable[str]) -> IPv4Address | IPv6Address | None:
        address = None
        for hop in reversed(list(hops)):
            address = ip_of(hop)
            if address is None or not is_in(self.networks, address):
                return address
        return address


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """Only clients of these networks are answered; with no networks, all are."""

    networks: Networks

    def __call__(self, handshake: Handshake) -> Handshake | Refusal:
        """The handshake, or why not."""
        if not self.networks:
            return handshake
        address = ip_of(handshake.remote)
        if address is not None and is_in(self.networks, address):
            return handshake
        return Refusal(HTTPStatus.FORBIDDEN, "address", "this server does not answer your address")
