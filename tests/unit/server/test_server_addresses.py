"""What the address of a connection asks for."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from server.addresses import Address, AddressError, parse_address
from server.peer import Finals, Role


@pytest.mark.parametrize("path", ["/", "/ws/control", "/ws/audio"])
def test_the_endpoints(path: str) -> None:
    assert parse_address(path) == Address()
    assert parse_address(f"{path}?session=a") == Address(session="a")


@pytest.mark.parametrize(
    "target", ["", "*", "/ws", "/ws/", "/ws/audio/", "//", "//[", "http://[x/", "/index.html", "?"]
)
def test_no_endpoint(target: str) -> None:
    assert parse_address(target) is None


def test_every_part_of_a_query() -> None:
    target = "/?session=room-1.a_b&role=viewer&speaker=Agent&events=all&finals=revised"
    assert parse_address(target) == Address(
        "room-1.a_b", Role.VIEWER, "Agent", every_event=True, finals=Finals.REVISED
    )


def test_a_default_may_be_named() -> None:
    assert parse_address("/?role=speaker&events=basic&finals=single") == Address()


def test_a_misspelt_name_is_refused() -> None:
    with pytest.raises(AddressError, match="no such query: 'sesion'"):
        parse_address("/?sesion=secret")


def test_values_that_say_nothing_are_as_if_left_out() -> None:
    assert parse_address("/?session=&speaker=&role&&=") == Address()


def test_the_last_of_two_values_counts() -> None:
    assert parse_address("/?session=a&session=b") == Address(session="b")


@pytest.mark.parametrize("name", ["สมชาย", "ลูกค้า", "น้ำทิพย์", "ห้องประชุม_๑", "Zoë", "x" * 64])
def test_names_in_any_script(name: str) -> None:
    assert parse_address(f"/?speaker={quote(name)}") == Address(speaker=name)


@pytest.mark.parametrize(
    "query",
    [
        "session=a%20b",
        "session=a%0a",
        "session=..%2Fetc",
        "session=%00",
        "session=%FF",
        "session=" + "x" * 65,
        "speaker=%3Cscript%3E",
        "role=admin",
        "events=some",
        "finals=both",
    ],
)
def test_what_cannot_be_honoured_is_named(query: str) -> None:
    with pytest.raises(AddressError, match=query.partition("=")[0]) as caught:
        parse_address(f"/?{query}")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200
