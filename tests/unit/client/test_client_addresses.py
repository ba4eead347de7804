from __future__ import annotations

import pytest

from client.addresses import (
    AddressError,
    Addresses,
    audio_beside,
    is_loopback,
    port_of,
    resolve,
    with_query,
)


@pytest.mark.parametrize(
    ("audio", "control", "expected"),
    [
        (None, None, Addresses("ws://localhost:8765", "ws://localhost:8766")),
        ("ws://box:9001", None, Addresses("ws://box:9000", "ws://box:9001", True)),
        (None, "ws://box:9000", Addresses("ws://box:9000", None)),
        ("ws://a:1", "ws://b:2", Addresses("ws://b:2", "ws://a:1")),
        (
            "wss://asr.example/ws/audio",
            None,
            Addresses("wss://asr.example/ws/control", "wss://asr.example/ws/audio", True),
        ),
        ("ws://[::1]:8766", None, Addresses("ws://[::1]:8765", "ws://[::1]:8766", True)),
        ("ws://u:p@box:9001", None, Addresses("ws://u:p@box:9000", "ws://u:p@box:9001", True)),
    ],
)
def test_what_the_user_left_out_is_filled_in(
    audio: str | None, control: str | None, expected: Addresses
) -> None:
    assert resolve(audio, control) == expected


@pytest.mark.parametrize("url", ["localhost:8766", "http://localhost:1", "ws://", "ws://h:99999"])
def test_what_is_no_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        resolve(url, None)
    with pytest.raises(AddressError):
        resolve(None, url)


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("ws://localhost:8765", "ws://localhost:9999"),
        ("wss://asr.example/ws/control", "wss://asr.example/ws/audio"),
        ("wss://asr.example:8443/ws/control?token=t", "wss://asr.example:8443/ws/audio?token=t"),
    ],
)
def test_the_audio_port_is_found_beside_the_control_port(control: str, expected: str) -> None:
    assert audio_beside(control, 9999) == expected


def test_queries_are_added_to_what_is_there() -> None:
    url = with_query("ws://h:1?token=t&session=old", session="สาย 1", speaker=None)
    assert url == "ws://h:1/?token=t&session=%E0%B8%AA%E0%B8%B2%E0%B8%A2+1"


def test_ports_and_loopback() -> None:
    assert port_of("wss://asr.example/ws/audio") == 443
    assert port_of("ws://localhost:8765") == 8765
    assert is_loopback("ws://[::1]:8765")
    assert not is_loopback("ws://asr.example:8765")
