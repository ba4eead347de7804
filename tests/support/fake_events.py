"""Events of the fake session."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from server import protocol
from server.addresses import Address
from server.limit_messages import Limits
from server.messages import (
    AudioConfigured,
    Connected,
    FinalTranscription,
    RealtimeTranscription,
    ServerStatus,
    optional,
)
from server.model_messages import ModelInfo, Score

STREAM_ID = "a1.1"
TIMESTAMP = "2025-09-03T10:30:02.500Z"


def model(
    model_id: str,
    *,
    recommended: bool = False,
    state: str = "remote",
    size_mb: int | None = None,
    scores: Sequence[Score] = (),
) -> ModelInfo:
    """A catalogue entry."""
    return ModelInfo(
        id=model_id,
        name=f"Name of {model_id}",
        language="th",
        description="A model for Thai",
        performance_tier="balanced",
        recommended=recommended,
        repo=f"somebody/{model_id}",
        licence="MIT",
        state=state,
        on_disk=state not in ("remote", "fetching"),
        current=False,
        size_mb=UNSET if size_mb is None else size_mb,
        scores=list(scores) or UNSET,
    )


def partial(
    text: str, stable_text: str = "", *, utterance_id: int = 1, stream_id: str = STREAM_ID
) -> RealtimeTranscription:
    """A partial of the fake session."""
    return RealtimeTranscription(
        text=text,
        timestamp=TIMESTAMP,
        session_id="default",
        stream_id=stream_id,
        utterance_id=utterance_id,
        revision=1,
        stable_text=stable_text,
        start_ms=0,
        end_ms=1000,
        model_id="whisper-base",
    )


def final(
    text: str,
    *,
    utterance_id: int = 1,
    stream_id: str = STREAM_ID,
    speaker: str | None = None,
    reason: str | None = None,
    end_ms: int = 2_500,
) -> FinalTranscription:
    """A final of the fake session, with the figures of the protocol's example."""
    return FinalTranscription(
        text=text,
        duration=2.5,
        processing_time=0.8,
        speed_ratio=3.1,
        model="openai/whisper-base",
        timestamp=TIMESTAMP,
        model_id="whisper-base",
        session_id="default",
        stream_id=stream_id,
        speaker=optional(speaker),
        utterance_id=utterance_id,
        revision=2,
        start_ms=0,
        end_ms=end_ms,
        confidence=0.9,
        end_reason="flush",
        reason=optional(reason),
    )


def configured(request: protocol.AudioConfig, stream_id: str, received_ms: int) -> AudioConfigured:
    """The answer to `audio_config`."""
    return AudioConfigured(
        encoding=request.encoding,
        sample_rate=request.sample_rate,
        channels=request.channels,
        channel_mode=request.channel_mode,
        stream_ids=[stream_id],
        received_ms=received_ms,
        request_id=optional(request.request_id),
    )


def greeting(current_model: str, address: Address, control_port: int, audio_port: int) -> Connected:
    """What a client is told first, at this address."""
    return Connected(
        current_model=current_model,
        session_id=address.session or "default",
        audio_port=audio_port,
        control_port=control_port,
        role=address.role.value,
        limits=Limits(
            max_audio_message_bytes=1 << 20,
            max_control_message_bytes=1 << 16,
            max_utterance_s=15.0,
            inbox_audio_s=4.0,
        ),
        sample_rate=16_000,
        chunk_size=1024,
        channels=1,
        audio_format="pcm16",
    )


STATUS = ServerStatus(
    current_model="",
    device="cpu",
    compute_type="int8",
    profile="balanced",
    profile_setting="auto",
    partial_interval_ms=1_000,
    workers=1,
    batch_size=1,
    ready=True,
    uptime_s=0.0,
    sessions=1,
    streams=1,
    clients=2,
    recording_state="idle",
    waiting_partials=0,
    waiting_finals=0,
    waiting_audio_s=0.0,
    notices=[],
    load=0.0,
)
"""A server that is ready and has little to do."""
