"""Gates: which web pages may connect, and by which names the server may be called. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from server.handshake import Handshake, Refusal
from server.networks import ip_of, is_loopback, listed
from server.setting_rows import SettingError

PORTS = {"http": 80, "https": 443}
FILE_ORIGINS = ("null", "file://")
"""What browsers call a page that was opened from disk. A sandboxed frame is `null`, too."""

ANY = "*"


@dataclass(frozen=True, slots=True)
class Origin:
    """A page's origin. `port` is never None for http and https."""

    scheme: str
    host: str
    port: int | None


def parse_origin(text: str) -> Origin | None:
    """The origin that a text is; None for anything else, `null` and `file://` included."""
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        return None
    beyond = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not parts.scheme or not parts.hostname or beyond:
        return None
    return Origin(parts.scheme, parts.hostname, PORTS.get(parts.scheme) if port is None else port)


def parse_allowed(text: str) -> tuple[frozenset[Origin], bool]:
    """The origins that the setting `allowed_origins` names, and whether it names them all.

    Raises SettingError.
    """
    items = listed(text)
    origins = {item: parse_origin(item) for item in items if item != ANY}
    for item, origin in origins.items():
        if origin is None:
            raise SettingError(
                "allowed_origins", f"takes origins like https://example.org, not {item[:80]!r}"
            )
    return frozenset(origin for origin in origins.values() if origin), ANY in items


@dataclass(frozen=True, slots=True)
class Pages:
    """Which pages may use the server. `ports` are the server's own, once it listens."""

    loopback: bool
    """The server listens on this machine only."""
    from_files: bool
    allowed: frozenset[Origin]
    any_origin: bool
    ports: Callable[[], tuple[int, ...]]

    def check_host(self, handshake: Handshake) -> Handshake | Refusal:
        """Whether the client meant this server.

        A page of anybody's may have its own name point to this machine; then a browser takes the
        server for that page's. So a server of this machine answers to its names only.
        """
        text = handshake.headers.get("host", "")
        if not self._on_this_machine(handshake) or not text:
            return handshake
        host = parse_origin(f"http://{text}")
        if host is not None and (
            is_loopback(host.host)
            or ip_of(host.host) is not None
            or host.host in {origin.host for origin in self.allowed}
        ):
            return handshake
        return Refusal(
            HTTPStatus.FORBIDDEN,
            "host",
            f"this server is for its own machine and is not called {text[:100]!r}. Behind a proxy: "
            "have it send X-Forwarded-For, and name it in trusted_proxies (docs/access.md)",
        )

    def check_origin(self, handshake: Handshake) -> Handshake | Refusal:
        """Whether the page that wants to connect may. What is no browser sends no origin."""
        text = handshake.headers.get("origin")
        if text is None or self.any_origin or self._may(text, handshake):
            return handshake
        return Refusal(
            HTTPStatus.FORBIDDEN,
            "origin",
            f"pages of {text[:100]!r} may not connect to this server; the setting allowed_origins "
            "lets them (docs/access.md)",
        )

    def _may(self, text: str, handshake: Handshake) -> bool:
        here = self._on_this_machine(handshake)
        if text.strip().lower() in FILE_ORIGINS:
            return here and self.from_files
        origin = parse_origin(text)
        if origin is None:
            return False
        if origin in self.allowed or self._is_own(origin, handshake):
            return True
        return here and origin.scheme in PORTS and is_loopback(origin.host)

    def _is_own(self, origin: Origin, handshake: Handshake) -> bool:
        """The page that this server serves: on the control port, but it uses both."""
        scheme = "https" if handshake.secure else "http"
        own = parse_origin(f"{scheme}://{handshake.headers.get('host', '')}")
        if own is None or (origin.scheme, origin.host) != (own.scheme, own.host):
            return False
        return origin.port in (own.port, *self.ports())

    def _on_this_machine(self, handshake: Handshake) -> bool:
        return self.loopback and not handshake.proxied
