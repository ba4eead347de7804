"""IP addresses and networks, as settings and proxies write them. Pure."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from server.setting_rows import SettingError

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[\d.]+):\d+")


def listed(text: str) -> list[str]:
    """The items of a setting that takes several, separated by commas or spaces."""
    return text.replace(",", " ").split()


def parse_networks(setting: str, text: str) -> Networks:
    """The networks that a setting names: `192.168.1.0/24, 10.0.0.7, ::1`. Raises SettingError."""
    found: list[IPv4Network | IPv6Network] = []
    for item in listed(text):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError as error:
            raise SettingError(
                setting, f"takes addresses and networks like 192.168.1.0/24: {error}"
            ) from error
    return tuple(found)


def ip_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, with or without port, brackets or zone; None if there is none.

    An IPv4 address that travels as IPv6 is the IPv4 one.
    """
    text = text.strip().strip('"')
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match["v6"] or match["v4"] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_in(networks: Networks, address: IPv4Address | IPv6Address) -> bool:
    """Whether one of the networks has the address."""
    return any(address in network for network in networks)


def is_loopback(host: str) -> bool:
    """Whether a host to listen on, or of an address, is reached from this machine only."""
    if host.lower() == "localhost":
        return True
    address = ip_of(host)
    return address is not None and address.is_loopback
