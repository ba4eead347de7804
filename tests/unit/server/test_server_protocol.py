"""The published messages, every JSON block of them, byte for byte in their fields."""

from __future__ import annotations

import base64
import json

import pytest

from server import protocol
from server.limit_messages import Limits
from server.messages import (
    Connected,
    ErrorEvent,
    Event,
    FinalTranscription,
    Pong,
    RealtimeTranscription,
)
from server.model_messages import AvailableModels, ModelInfo, ModelLoaded
from server.protocol import (
    MAX_REQUEST_ID_CHARS,
    ProtocolError,
    encode,
    parse_audio,
    parse_control,
    request_id_of,
)

CONNECTED = """
{
  "type": "connected",
  "server": "Thai ASR Real-time Server",
  "version": "1.0.0",
  "current_model": "biodatlab-medium-faster"
}
"""
LOAD_MODEL = """
{
  "type": "load_model",
  "model_id": "biodatlab-medium-faster"
}
"""
MODEL_LOADED = """
{
  "type": "model_loaded",
  "model_id": "biodatlab-medium-faster",
  "status": "success"
}
"""
GET_MODELS = """
{
  "type": "get_models"
}
"""
AVAILABLE_MODELS = """
{
  "type": "available_models",
  "models": [
    {
      "id": "biodatlab-medium-faster",
      "name": "Biodatlab Whisper Thai Medium (Faster)",
      "type": "faster_whisper",
      "language": "th",
      "description": "Thai-optimized medium model...",
      "performance_tier": "balanced",
      "recommended": true
    }
  ]
}
"""
START_RECORDING = """
{
  "type": "start_recording"
}
"""
STOP_RECORDING = """
{
  "type": "stop_recording"
}
"""
AUDIO_CHUNK = """
{
  "type": "audio_chunk",
  "data": "base64_encoded_audio_data"
}
"""
AUDIO_END = """
{
  "type": "audio_end"
}
"""
REALTIME_TRANSCRIPTION = """
{
  "type": "realtime_transcription",
  "text": "สวัสดีครับ",
  "timestamp": "2025-09-03T10:30:00.000Z",
  "is_final": false
}
"""
FINAL_TRANSCRIPTION = """
{
  "type": "final_transcription",
  "text": "สวัสดีครับ ผมชื่อโจน",
  "duration": 2.5,
  "processing_time": 0.8,
  "speed_ratio": 3.1,
  "model": "Vinxscribe/biodatlab-whisper-th-medium-faster",
  "timestamp": "2025-09-03T10:30:02.500Z",
  "is_final": true
}
"""

CONTROL_REQUESTS = [
    (LOAD_MODEL, protocol.LoadModel(model_id="biodatlab-medium-faster")),
    (GET_MODELS, protocol.GetModels()),
    (START_RECORDING, protocol.StartRecording()),
    (STOP_RECORDING, protocol.StopRecording()),
]

EVENTS: list[tuple[str, Event]] = [
    (
        CONNECTED,
        Connected(
            current_model="biodatlab-medium-faster",
            session_id="default",
            audio_port=8766,
            control_port=8765,
            role="speaker",
            limits=Limits(
                max_audio_message_bytes=1,
                max_control_message_bytes=1,
                max_utterance_s=15.0,
                inbox_audio_s=4.0,
            ),
            sample_rate=16_000,
            chunk_size=1024,
            channels=1,
            audio_format="pcm16",
        ),
    ),
    (MODEL_LOADED, ModelLoaded(model_id="biodatlab-medium-faster", load_s=1.0, request_id="r")),
    (
        AVAILABLE_MODELS,
        AvailableModels(
            models=[
                ModelInfo(
                    id="biodatlab-medium-faster",
                    name="Biodatlab Whisper Thai Medium (Faster)",
                    language="th",
                    description="Thai-optimized medium model...",
                    performance_tier="balanced",
                    recommended=True,
                    repo="Vinxscribe/biodatlab-whisper-th-medium-faster",
                    licence="apache-2.0",
                    state="on_disk",
                    on_disk=True,
                    current=False,
                )
            ]
        ),
    ),
    (
        REALTIME_TRANSCRIPTION,
        RealtimeTranscription(
            text="สวัสดีครับ",
            timestamp="2025-09-03T10:30:00.000Z",
            session_id="default",
            stream_id="a1.1",
            utterance_id=1,
            revision=1,
            stable_text="สวัสดี",
            start_ms=0,
            end_ms=800,
            model_id="biodatlab-medium-faster",
        ),
    ),
    (
        FINAL_TRANSCRIPTION,
        FinalTranscription(
            text="สวัสดีครับ ผมชื่อโจน",
            duration=2.5,
            processing_time=0.8,
            speed_ratio=3.1,
            model="Vinxscribe/biodatlab-whisper-th-medium-faster",
            timestamp="2025-09-03T10:30:02.500Z",
            model_id="biodatlab-medium-faster",
            session_id="default",
            stream_id="a1.1",
            utterance_id=1,
            revision=2,
            start_ms=0,
            end_ms=2_500,
            confidence=0.9,
            end_reason="silence",
        ),
    ),
]


@pytest.mark.parametrize(("block", "expected"), CONTROL_REQUESTS)
def test_published_control_requests_parse(block: str, expected: protocol.ControlRequest) -> None:
    assert parse_control(block) == expected


def test_published_audio_messages_parse() -> None:
    assert parse_audio(AUDIO_END) == protocol.AudioEnd()
    audio = bytes(range(256))
    chunk = json.loads(AUDIO_CHUNK) | {"data": base64.b64encode(audio).decode()}
    assert parse_audio(json.dumps(chunk)) == audio


def test_the_published_audio_chunk_has_the_right_fields_for_its_placeholder() -> None:
    with pytest.raises(ProtocolError, match="base64") as caught:
        parse_audio(AUDIO_CHUNK)  # its data is a placeholder, with underscores
    assert caught.value.code == "bad_base64"


@pytest.mark.parametrize(("block", "event"), EVENTS, ids=lambda x: getattr(type(x), "__name__", ""))
def test_published_events_are_encoded_with_their_fields_first(block: str, event: Event) -> None:
    compact = json.dumps(json.loads(block), ensure_ascii=False, separators=(",", ":"))
    encoded = encode(event)
    json.loads(encoded)
    assert encoded.startswith(compact.rstrip("]}") + ",")


def test_fields_without_a_value_are_left_out() -> None:
    assert encode(Pong(timestamp="t")) == '{"type":"pong","timestamp":"t"}'
    assert encode(Pong(timestamp="t", request_id="7")).endswith('"request_id":"7"}')


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
