"""Where the server is: from what the user gave to the two WebSocket addresses. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

DEFAULT_CONTROL_URL = "ws://localhost:8765"
DEFAULT_AUDIO_URL = "ws://localhost:8766"

CONTROL_PATH = "/ws/control"
AUDIO_PATH = "/ws/audio"
"""The paths behind a proxy, where both ports share one host and port."""

DEFAULT_PORTS = {"ws": 80, "wss": 443}
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class AddressError(ValueError):
    """An address that is no WebSocket address. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the ports are, as far as the user said it: `either` alone, or `control`.

    What is None, the server's greeting tells.
    """

    control: str | None = None
    audio: str | None = None
    either: str | None = None
    """One of the ports; the greeting says which."""

    @property
    def first(self) -> str:
        """Where to connect first."""
        address = self.control or self.either
        assert address is not None
        return address


def resolve(url: str | None, control_url: str | None) -> Addresses:
    """The addresses to use when the user gave both, one or none of them.

    `url` alone may be that of either port. Raises AddressError.
    """
    if control_url is not None:
        _split(control_url)
        if url is not None:
            _split(url)
        return Addresses(control=control_url, audio=url)
    if url is None:
        return Addresses(control=DEFAULT_CONTROL_URL, audio=DEFAULT_AUDIO_URL)
    url = _as_websocket(url)
    parts = _split(url)
    if parts.path == CONTROL_PATH:
        return Addresses(control=url)
    if parts.path == AUDIO_PATH:
        return Addresses(control=_at(url, CONTROL_PATH), audio=url)
    return Addresses(either=url)


def completed(addresses: Addresses, control_port: int, audio_port: int) -> Addresses:
    """Both addresses, from the ports that the greeting at `addresses.first` announced.

    An address of `either` port with neither number is that of a proxy: both ports are behind it,
    told apart by their paths.
    """
    if addresses.either is None:
        assert addresses.control is not None
        audio = addresses.audio or _beside(addresses.control, AUDIO_PATH, audio_port)
        return Addresses(addresses.control, audio)
    dialled = port_of(addresses.either)
    if dialled == audio_port:
        return Addresses(_beside(addresses.either, CONTROL_PATH, control_port), addresses.either)
    if dialled != control_port:
        return Addresses(addresses.either, _at(addresses.either, AUDIO_PATH))
    return Addresses(addresses.either, _beside(addresses.either, AUDIO_PATH, audio_port))


def _beside(url: str, path: str, port: int) -> str:
    parts = _split(url)
    if parts.path in (CONTROL_PATH, AUDIO_PATH):
        return _at(url, path)
    return urlunsplit(_with_port(parts, port))


def _at(url: str, path: str) -> str:
    return urlunsplit(_split(url)._replace(path=path))


def with_query(url: str, **values: str | None) -> str:
    """The address with these query values set; None leaves one as it is."""
    parts = _split(url)
    query = dict(parse_qsl(parts.query))
    query.update({name: value for name, value in values.items() if value is not None})
    return urlunsplit(parts._replace(path=parts.path or "/", query=urlencode(query)))


def port_of(url: str) -> int:
    """The port of a WebSocket address. Raises AddressError."""
    parts = _split(url)
    return parts.port or DEFAULT_PORTS[parts.scheme]


def is_loopback(url: str) -> bool:
    """Whether the server is on this machine."""
    return _split(url).hostname in LOOPBACK_HOSTS


def what_to_do(addresses: Addresses) -> str:
    """For the user when there is no server at these addresses."""
    if addresses.control is None:
        where = ""
    else:
        control = port_of(addresses.control)
        audio = control + 1 if addresses.audio is None else port_of(addresses.audio)
        where = f" on ports {control} and {audio}"
    return (
        f"Make sure the server is running{where} (python realtime_thai_asr_server.py), check "
        "firewall settings and the server's log. A server elsewhere: --url with the address "
        "that it printed."
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        reason = "" if "@" in url else f": {error}"  # it may quote part of a password
        raise AddressError(f"{_no_address(url)}{reason}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        raise AddressError(_no_address(url))
    if parts.fragment or url.endswith("#"):
        raise AddressError(f"{_no_address(url)}: nothing may follow a #")
    if "@" in parts.netloc and not (parts.username and parts.password):
        raise AddressError(f"{_no_address(url)}: before @ there must be USER:PASSWORD")
    return parts


def _as_websocket(url: str) -> str:
    """The address of the page, or a bare host and port, as that of its WebSocket."""
    return re.sub("^http", "ws", url) if "://" in url else f"ws://{url}"


def without_secrets(text: str) -> str:
    """A text without what stands before the @ or behind the ? of addresses in it."""
    text = re.sub(r"//[^/?#\s]*@", "//", text)
    return re.sub(r"(\b\w+://[^\s?#]*)[?#]\S*", r"\1", text)


def _no_address(url: str) -> str:
    shown = re.sub("//.*@", "//", url, flags=re.DOTALL)  # a password may hold anything
    shown = re.sub(r"[?#].*", "", shown, flags=re.DOTALL)  # so may a query
    return f"{shown!r} is no WebSocket address like {DEFAULT_AUDIO_URL}"


def _with_port(parts: SplitResult, port: int) -> SplitResult:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    credentials = parts.netloc.rpartition("@")[0]
    netloc = f"{credentials}@{host}:{port}" if credentials else f"{host}:{port}"
    return parts._replace(netloc=netloc)
