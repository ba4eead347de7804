"""Messages that are wrong, and what is made of those that are right."""

from __future__ import annotations

import json

import pytest

from server import protocol
from server.messages import (
    ErrorEvent,
)
from server.protocol import (
    MAX_REQUEST_ID_CHARS,
    ProtocolError,
    encode,
    parse_audio,
    parse_control,
    request_id_of,
)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("hello", "bad_json"),
        ('{"type": "ping"', "bad_json"),
        ('{"type": "ping"} {}', "bad_json"),
        ('{"type": "ping", "x": NaN}', "bad_json"),
        ('{"type": "ping", "x": "\\ud800"}', "bad_json"),
        ("\ud800", "bad_json"),
        ('{"type": "ping", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "bad_json"),
        ("[]", "bad_message"),
        ('"ping"', "bad_message"),
        ("{}", "bad_message"),
        ('{"type": 7}', "bad_message"),
        ('{"type": null}', "bad_message"),
        ('{"type": "ping", "request_id": 7}', "bad_message"),
        ('{"type": "dance"}', "unknown_type"),
        ('{"type": ""}', "unknown_type"),
    ],
)
def test_bad_messages_of_either_port(message: str, code: str) -> None:
    for parse in (parse_control, parse_audio):
        with pytest.raises(ProtocolError) as caught:
            parse(message)
        assert caught.value.code == code
        assert caught.value.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "load_model"}', "bad_message"),
        ('{"type": "load_model", "model_id": 3}', "bad_message"),
        ('{"type": "update_config"}', "bad_message"),
        ('{"type": "update_config", "settings": {"a": [1]}}', "bad_message"),
        ('{"type": "update_config", "settings": {"a": 1e999}}', "bad_message"),
        ('{"type": "update_config", "settings": {"a": ' + "9" * 5_000 + "}}", "bad_message"),
        ('{"type": "audio_chunk", "data": ""}', "unknown_type"),
        (b'{"type": "ping"}', "binary_on_control"),
    ],
)
def test_bad_control_messages(message: str | bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_control(message)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "audio_chunk"}', "bad_message"),
        ('{"type": "audio_chunk", "data": [1, 2]}', "bad_message"),
        ('{"type": "audio_chunk", "data": "AAA"}', "bad_base64"),
        ('{"type": "audio_chunk", "data": "AAAA\\nAAAA"}', "bad_base64"),
        ('{"type": "audio_chunk", "data": "AA-_"}', "bad_base64"),
        ('{"type": "audio_chunk", "data": "สวัสดี"}', "bad_base64"),
        ('{"type": "audio_config", "sample_rate": "16000"}', "bad_message"),
        ('{"type": "audio_config", "sample_rate": 16000.5}', "bad_message"),
        ('{"type": "audio_config", "finals": "both"}', "bad_message"),
        ('{"type": "load_model", "model_id": "x"}', "unknown_type"),
    ],
)
def test_bad_audio_messages(message: str, code: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_audio(message)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "dance", "request_id": "r7"}',
        '{"type": "audio_chunk", "data": "!", "request_id": "r7"}',
        '{"type": "audio_config", "channels": "two", "request_id": "r7"}',
        '{"request_id": "r7"}',
        '{"type": 7, "request_id": "r7"}',
    ],
)
def test_an_error_names_the_request(message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_audio(message)
    assert caught.value.request_id == "r7"


@pytest.mark.parametrize("kind", ["ping", "audio_end", "dance"])
def test_a_request_id_has_256_characters_at_most(kind: str) -> None:
    longest = "ก" * MAX_REQUEST_ID_CHARS
    for request_id, code in ((longest, "unknown_type"), (longest + "ก", "bad_message")):
        message = json.dumps({"type": kind, "request_id": request_id}, ensure_ascii=False)
        if code == "unknown_type" and kind != "dance":
            assert parse_audio(message).request_id == request_id  # type: ignore[union-attr]
            continue
        with pytest.raises(ProtocolError) as caught:
            parse_audio(message)
        assert caught.value.code == code
        assert caught.value.request_id == (request_id if code == "unknown_type" else None)
        assert len(caught.value.message) < 300


def test_audio_keeps_what_is_said_of_it() -> None:
    text = '{"type": "audio_chunk", "data": "AAAA", "request_id": "r7"}'
    assert parse_audio(text) == protocol.MarkedAudio(bytes(3), None, "r7")


@pytest.mark.parametrize(
    ("message", "request_id"),
    [
        ('{"request_id": "r7", "type": [1]}', "r7"),
        ('{"request_id": "' + "x" * (MAX_REQUEST_ID_CHARS + 1) + '"}', None),
        ('{"request_id": 7}', None),
        ("[" * 100_000, None),
        ("\ud800", None),
        (b'{"request_id": "r7"}', None),
        ("x", None),
        ("{}", None),
    ],
)
def test_the_id_of_whatever_came(message: str | bytes, request_id: str | None) -> None:
    assert request_id_of(message) == request_id


def test_words_of_a_wrong_message_are_not_echoed_whole() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_audio(json.dumps({"type": "audio_config", "finals": "x" * 100_000}))
    assert len(caught.value.message) < 400


def test_an_unknown_type_is_answered_with_the_types_of_the_port() -> None:
    with pytest.raises(ProtocolError, match="audio_chunk, audio_end, audio_config, ping"):
        parse_audio('{"type": "get_models"}')


def test_a_long_unknown_type_is_not_echoed_whole() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_control(json.dumps({"type": "x" * 100_000}))
    assert len(caught.value.message) < 400


def test_unknown_fields_are_ignored_and_the_request_id_is_kept() -> None:
    text = '{"colour": {"red": [1]}, "request_id": "r1", "type": "get_status"}'
    assert parse_control(text) == protocol.GetStatus(request_id="r1")


def test_audio_config_has_the_published_format_as_its_default() -> None:
    assert parse_audio('{"type": "audio_config"}') == protocol.AudioConfig(
        encoding="pcm16", sample_rate=16_000, channels=1, channel_mode="mix"
    )


def test_binary_frames_on_the_audio_port_are_audio() -> None:
    assert parse_audio(b"\x00\x01{") == b"\x00\x01{"
    assert parse_audio(b"") == b""


def test_an_error_event_carries_its_code() -> None:
    event = ErrorEvent(code="bad_json", message="not JSON", request_id="r1")
    assert json.loads(encode(event)) == {
        "type": "error",
        "code": "bad_json",
        "message": "not JSON",
        "fatal": False,
        "request_id": "r1",
    }
