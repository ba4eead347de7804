"""Where the server is: from what the user gave to the two WebSocket addresses. Pure."""

from __future__ import annotations

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
    """Both ports. `audio` is None where only `connected.audio_port` can tell."""

    control: str
    audio: str | None
    control_is_derived: bool = False
    """The user gave the audio address alone."""


def resolve(audio_url: str | None, control_url: str | None) -> Addresses:
    """The addresses to use when the user gave both, one or none of them.

    From an audio address alone, the control port is the one below it, as in the defaults.
    Raises AddressError.
    """
    if control_url is not None:
        _split(control_url)
        if audio_url is not None:
            _split(audio_url)
        return Addresses(control_url, audio_url)
    if audio_url is None:
        return Addresses(DEFAULT_CONTROL_URL, DEFAULT_AUDIO_URL)
    parts = _split(audio_url)
    if parts.path == AUDIO_PATH:
        control = parts._replace(path=CONTROL_PATH)
    else:
        control = _with_port(parts, port_of(audio_url) - 1)
    return Addresses(urlunsplit(control), audio_url, control_is_derived=True)


def audio_beside(control_url: str, audio_port: int) -> str:
    """The audio address that belongs to a control address, from the port that it announced."""
    parts = _split(control_url)
    if parts.path == CONTROL_PATH:
        return urlunsplit(parts._replace(path=AUDIO_PATH))
    return urlunsplit(_with_port(parts, audio_port))


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


def control_wanted(addresses: Addresses) -> str:
    """For the user whose control address is none: which option names what, what was tried."""
    if not addresses.control_is_derived:
        return f"--control-url is the control port (default: {DEFAULT_CONTROL_URL})."
    return (
        f"--url is the audio port (default: {DEFAULT_AUDIO_URL}). From {addresses.audio} the "
        f"control port was taken to be {addresses.control}; --control-url names another."
    )


def what_to_do(addresses: Addresses) -> str:
    """For the user when there is no server at these addresses."""
    if addresses.control_is_derived:
        return (
            f"{control_wanted(addresses)}\nMake sure the server is running "
            "(python realtime_thai_asr_server.py), check firewall settings and the server's log."
        )
    control = port_of(addresses.control)
    audio = control + 1 if addresses.audio is None else port_of(addresses.audio)
    return (
        f"Make sure the server is running on ports {control} and {audio} "
        "(python realtime_thai_asr_server.py), check firewall settings and the server's log. "
        "A server on other ports: --control-url with the control address that it printed."
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"{url!r}: {error}") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        raise AddressError(f"{url!r} is no WebSocket address like {DEFAULT_AUDIO_URL}")
    return parts


def _with_port(parts: SplitResult, port: int) -> SplitResult:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    credentials = parts.netloc.rpartition("@")[0]
    netloc = f"{credentials}@{host}:{port}" if credentials else f"{host}:{port}"
    return parts._replace(netloc=netloc)
