"""What is said once the server is ready: where it is found, and how it recognises."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import psutil

from server.browser import WILDCARD_HOSTS, page_url, socket_url
from server.context import Ports
from server.networks import ip_of

MOST_ADDRESSES: Final = 4
"""A machine with containers has many that nobody uses."""
CLIENT_PORTS: Final = (8765, 8766)
"""Where the client looks if it is not told."""
_FAMILIES: Final = {"0.0.0.0": (IPv4Address,), "::": (IPv6Address,)}


def own_hosts(host: str) -> tuple[str, ...]:
    """How other machines reach this one, if `host` means all addresses. Asks no network."""
    if host not in WILDCARD_HOSTS:
        return ()
    try:
        found = [a.address for each in psutil.net_if_addrs().values() for a in each]
    except OSError:  # a service that may not ask
        found = []
    return reachable(host, found, socket.gethostname())


def reachable(host: str, addresses: Sequence[str], name: str) -> tuple[str, ...]:
    """Of a machine's addresses those that others can use, then its name. Pure."""
    found: dict[str, None] = {}
    for text in addresses:
        address = ip_of(text)
        if address is None or address.is_loopback or address.is_link_local:
            continue
        if isinstance(address, _FAMILIES.get(host, (IPv4Address, IPv6Address))):
            found[str(address)] = None
    named = (name,) if name and not name.startswith("localhost") else ()
    return (*tuple(found)[:MOST_ADDRESSES], *named)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where clients find the server. `others`: the hosts by which other machines do."""

    host: str
    ports: Ports
    secure: bool
    others: tuple[str, ...] = ()

    @property
    def page(self) -> str:
        """The page, for this machine."""
        return page_url(self.host, self.ports.control, secure=self.secure)

    @property
    def control(self) -> str:
        """The control port, for this machine."""
        return socket_url(self.host, self.ports.control, secure=self.secure)

    @property
    def audio(self) -> str:
        """The audio port, for this machine."""
        return socket_url(self.host, self.ports.audio, secure=self.secure)

    @property
    def pages_elsewhere(self) -> list[str]:
        """The page, for other machines."""
        return [page_url(host, self.ports.control, secure=self.secure) for host in self.others]

    @property
    def client_options(self) -> str:
        """What the Python client on this machine must be told; nothing if it looks there anyway."""
        usual = (self.ports.control, self.ports.audio) == CLIENT_PORTS and not self.secure
        looks_here = self.host in ("localhost", "127.0.0.1", *WILDCARD_HOSTS)
        return "" if usual and looks_here else f" --url {self.control}"  # it tells the other port


@dataclass(frozen=True, slots=True)
class Greeting:
    """For whoever started the server."""

    reach: Reach
    model: str
    device: str
    compute_type: str
    profile: str
    open_doors: Sequence[str]
    notices: Sequence[str]
    client: str
    """How the Python client is started."""

    def text(self) -> str:
        """For a terminal."""
        reach = self.reach
        lines = (
            "",
            f"Thai ASR server ready: model {self.model} on {self.device} ({self.compute_type})",
            f"  page     {reach.page}",
            f"  control  {reach.control}",
            f"  audio    {reach.audio}",
            *self._elsewhere(),
            f"  profile  {self.profile}",
            *(f"  OPEN     {door}" for door in self.open_doors),
            *(f"  note     {notice}" for notice in self.notices),
            "",
            "Open the page in a browser, click Connect, then Start Recording, and speak Thai.",
            f"From a microphone or a file: {self.client}{reach.client_options} [--file F]",
            "Ctrl-C ends the server.",
            "",
        )
        return "\n".join(lines) + "\n"

    def fields(self) -> dict[str, object]:
        """For a log that programs read."""
        return {
            "model": self.model,
            "device": self.device,
            "compute_type": self.compute_type,
            "page": self.reach.page,
            "control": self.reach.control,
            "audio": self.reach.audio,
            "pages_elsewhere": self.reach.pages_elsewhere,
            "open": list(self.open_doors),
            "notices": list(self.notices),
        }

    def _elsewhere(self) -> list[str]:
        reach = self.reach
        if not reach.others:
            return []
        example = socket_url(reach.others[0], reach.ports.control, secure=reach.secure)
        return [
            "  other machines (a name only where it is known):",
            *(f"           {page}" for page in reach.pages_elsewhere),
            f"           the Python client: --url {example}",
        ]
