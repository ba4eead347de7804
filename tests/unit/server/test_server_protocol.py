"""The published messages, every JSON block of them, byte for byte in their fields."""

from __future__ import annotations

import base64
import json

import pytest

from server import protocol
from server.limit_messages import Limits
from server.messages import (
    Connected,
    Event,
    FinalTranscription,
    Pong,
    RealtimeTranscription,
)
from server.model_messages import AvailableModels, ModelInfo, ModelLoaded
from server.protocol import (
    ProtocolError,
    encode,
    parse_audio,
    parse_control,
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
