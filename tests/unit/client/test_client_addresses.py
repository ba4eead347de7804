from __future__ import annotations

import pytest

from client.addresses import (
    AddressError,
    Addresses,
    completed,
    is_loopback,
    port_of,
    resolve,
    what_to_do,
    with_query,
    without_secrets,
)


@pytest.mark.parametrize(
    ("url", "control", "expected"),
    [
        (None, None, Addresses("ws://localhost:8765", "ws://localhost:8766")),
        ("ws://box:9001", None, Addresses(either="ws://box:9001")),
        (None, "ws://box:9000", Addresses("ws://box:9000", None)),
        ("ws://a:1", "ws://b:2", Addresses("ws://b:2", "ws://a:1")),
        (
            "wss://asr.example/ws/audio",
            None,
            Addresses("wss://asr.example/ws/control", "wss://asr.example/ws/audio"),
        ),
        ("wss://asr.example/ws/control", None, Addresses("wss://asr.example/ws/control")),
    ],
)
def test_what_the_user_said_is_kept_and_paths_tell_the_port(
    url: str | None, control: str | None, expected: Addresses
) -> None:
    assert resolve(url, control) == expected


@pytest.mark.parametrize("url", ["localhost:8765", "http://localhost:8765", "ws://localhost:8765"])
def test_the_page_s_address_will_do(url: str) -> None:
    assert resolve(url, None) == resolve("ws://localhost:8765", None)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost:1",
        "ws://",
        "ws://h:99999",
        "ws://user@h",
        "ws://:pass@h",
        "ws://h/#x",
        "ws://h#",
        "ws://a..b",
    ],
)
def test_what_is_no_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        resolve(url, None)
    with pytest.raises(AddressError):
        resolve(None, url)


@pytest.mark.parametrize("url", ["ftp://u:secret@h", "ws://u:sec/secret@h", "ws://u:secret@h#x"])
def test_a_password_is_in_no_message(url: str) -> None:
    with pytest.raises(AddressError) as raised:
        resolve(url, None)
    assert "sec" not in str(raised.value)
    assert without_secrets("ws://host:1/x@y") == "ws://host:1/x@y"
    text = without_secrets("ws://u:secret@h/?a=b@c and http://u:p@proxy")
    assert text == "ws://h/ and http://proxy"


@pytest.mark.parametrize(
    "url", ["ftp://h/?token=secret", "ws://h:0?token=secret&a=b", "ws://h#secret"]
)
def test_a_query_is_in_no_message(url: str) -> None:
    with pytest.raises(AddressError) as raised:
        resolve(url, None)
    assert "secret" not in str(raised.value)
    assert without_secrets("wss://h:1/ws/audio?token=secret: no") == "wss://h:1/ws/audio no"


@pytest.mark.parametrize(
    ("known", "control", "audio"),
    [
        (Addresses("ws://box:1"), "ws://box:1", "ws://box:9001"),
        (Addresses("ws://box:1", "ws://far:2"), "ws://box:1", "ws://far:2"),
        (Addresses(either="ws://box:9001"), "ws://box:9000", "ws://box:9001"),
        (Addresses(either="ws://box:9000"), "ws://box:9000", "ws://box:9001"),
        (
            Addresses(either="wss://asr.example:8443/"),
            "wss://asr.example:8443/",
            "wss://asr.example:8443/ws/audio",
        ),
        (Addresses(either="wss://asr.example"), "wss://asr.example", "wss://asr.example/ws/audio"),
        (Addresses(either="ws://u:p@[::1]:9001"), "ws://u:p@[::1]:9000", "ws://u:p@[::1]:9001"),
        (
            Addresses("wss://asr.example:8443/ws/control?a=b"),
            "wss://asr.example:8443/ws/control?a=b",
            "wss://asr.example:8443/ws/audio?a=b",
        ),
    ],
)
def test_the_greeting_s_ports_complete_the_addresses(
    known: Addresses, control: str, audio: str
) -> None:
    assert completed(known, 9000, 9001) == Addresses(control, audio)


@pytest.mark.parametrize(
    ("addresses", "ports"),
    [
        (Addresses("ws://h:1", "ws://h:7"), "on ports 1 and 7"),
        (Addresses("ws://h:1"), "on ports 1 and 2"),
        (Addresses(either="ws://h:1"), "is running (python"),
    ],
)
def test_without_a_server_the_ports_are_named(addresses: Addresses, ports: str) -> None:
    assert ports in what_to_do(addresses)


def test_queries_are_added_to_what_is_there() -> None:
    url = with_query("ws://h:1?token=t&session=old", session="สาย 1", speaker=None)
    assert url == "ws://h:1/?token=t&session=%E0%B8%AA%E0%B8%B2%E0%B8%A2+1"


def test_ports_and_loopback() -> None:
    assert port_of("wss://asr.example/ws/audio") == 443
    assert port_of("ws://localhost:8765") == 8765
    assert is_loopback("ws://[::1]:8765")
    assert not is_loopback("ws://asr.example:8765")
