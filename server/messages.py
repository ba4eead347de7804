"""Every event the server sends, as typed structs: with `protocol`, the only JSON field names.

The fields that the published protocol names come first and are always there; added ones follow,
and are left out when they have nothing to say.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from msgspec import UNSET, Struct, UnsetType

SERVER_NAME = "Thai ASR Real-time Server"
VERSION = "1.0.0"

Opt: TypeAlias = str | UnsetType
JsonScalar: TypeAlias = str | int | float | bool | None


class Event(Struct, frozen=True, tag_field="type", kw_only=True):
    """Anything the server says."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a client may send, announced in `connected`."""

    max_audio_message_bytes: int
    max_control_message_bytes: int
    max_utterance_s: float
    inbox_audio_s: float


class Connected(Event, frozen=True, kw_only=True, tag="connected"):
    """First event of a control connection (of an audio connection with `?events=all`)."""

    server: str = SERVER_NAME
    version: str = VERSION
    current_model: str
    session_id: str
    audio_port: int
    control_port: int
    role: str
    limits: Limits
    sample_rate: int
    chunk_size: int
    channels: int
    audio_format: str
    finals: str = "single"
    stream_ids: list[str] | UnsetType = UNSET


class ModelLoaded(Event, frozen=True, kw_only=True, tag="model_loaded"):
    """A model answers from now on."""

    model_id: str
    status: str = "success"
    load_s: float | UnsetType = UNSET
    request_id: Opt = UNSET


class ModelPhase(Enum):
    """How far a model is on its way to answering. `model_loaded` ends it, or FAILED."""

    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    LOADING = "loading"
    MEASURING = "measuring"
    FAILED = "failed"


class ModelProgress(Event, frozen=True, kw_only=True, tag="model_progress"):
    """A model is on its way to answering: said when a phase begins, and while it lasts.

    `message` says why it failed. `model_loaded` follows where it did not.
    """

    model_id: str
    phase: ModelPhase
    done_bytes: int | UnsetType = UNSET
    total_bytes: int | UnsetType = UNSET
    bytes_per_s: float | UnsetType = UNSET
    left_s: float | UnsetType = UNSET
    message: Opt = UNSET


class Score(Struct, frozen=True, kw_only=True):
    """A published error rate in per cent. Those of different test sets cannot be compared."""

    metric: str
    value: float
    test_set: str
    source: str


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One model in `available_models`."""

    id: str
    name: str
    type: str = "faster_whisper"
    language: str
    description: str
    performance_tier: str
    recommended: bool
    repo: str
    licence: str
    state: str
    on_disk: bool
    current: bool
    vram_mb: int | UnsetType = UNSET
    size_mb: int | UnsetType = UNSET
    scores: list[Score] | UnsetType = UNSET


class AvailableModels(Event, frozen=True, kw_only=True, tag="available_models"):
    """The catalogue."""

    models: list[ModelInfo]
    request_id: Opt = UNSET


class RecordingStateEvent(Event, frozen=True, kw_only=True, tag="recording_state"):
    """The session's recording state: idle, recording or flushing."""

    state: str
    session_id: str
    reason: Opt = UNSET
    request_id: Opt = UNSET


class RealtimeTranscription(Event, frozen=True, kw_only=True, tag="realtime_transcription"):
    """A partial. `text` starts with `stable_text`, which only grows within an utterance."""

    text: str
    timestamp: str
    is_final: bool = False
    session_id: str
    stream_id: str
    speaker: Opt = UNSET
    utterance_id: int
    revision: int
    stable_text: str
    start_ms: int
    end_ms: int
    model_id: str


class FinalTranscription(Event, frozen=True, kw_only=True, tag="final_transcription"):
    """The one final of an utterance. `reason` says why `text` is empty, if it is.

    Clients that asked for revised finals, and no others, also get one with `provisional` true
    when a better decode of the utterance follows (as the final, with a higher `revision`), and one
    with `provisional` false when that decode found no speech and nothing else had been shown.
    """

    text: str
    duration: float
    processing_time: float
    speed_ratio: float
    model: str
    timestamp: str
    is_final: bool = True
    model_id: str
    session_id: str
    stream_id: str
    speaker: Opt = UNSET
    utterance_id: int
    revision: int
    start_ms: int
    end_ms: int
    confidence: float
    end_reason: str
    reason: Opt = UNSET
    provisional: bool | UnsetType = UNSET


class SpeechStartedEvent(Event, frozen=True, kw_only=True, tag="speech_started"):
    """Someone began to speak (opt-in)."""

    session_id: str
    stream_id: str
    utterance_id: int
    at_ms: int


class SpeechEndedEvent(Event, frozen=True, kw_only=True, tag="speech_ended"):
    """An utterance ended (opt-in). Its final follows, unless nobody spoke after all."""

    session_id: str
    stream_id: str
    utterance_id: int
    at_ms: int
    reason: str


class AudioConfigured(Event, frozen=True, kw_only=True, tag="audio_configured"):
    """The answer to `audio_config`."""

    encoding: str
    sample_rate: int
    channels: int
    channel_mode: str
    stream_ids: list[str]
    finals: str = "single"
    request_id: Opt = UNSET


class AudioEndAck(Event, frozen=True, kw_only=True, tag="audio_end_ack"):
    """Every final of the audio before `audio_end` has been sent."""

    session_id: str
    stream_ids: list[str]
    received_ms: int
    status: str = "success"
    request_id: Opt = UNSET


class MeasuredCosts(Struct, frozen=True, kw_only=True):
    """Seconds that decodes of 5 s of speech took here, in `server_status`.

    What could change nothing was not tried, and is left out.
    """

    partial_s: float
    accurate_s: float | UnsetType = UNSET
    batch_s: float | UnsetType = UNSET


class ServerStatus(Event, frozen=True, kw_only=True, tag="server_status"):
    """What the server is, does and has. `profile` is the one in force."""

    current_model: str
    device: str
    compute_type: str
    profile: str
    profile_setting: str
    partial_interval_ms: int
    workers: int
    batch_size: int
    ready: bool
    uptime_s: float
    sessions: int
    streams: int
    clients: int
    recording_state: str
    waiting_partials: int
    waiting_finals: int
    waiting_audio_s: float
    notices: list[str]
    load: float
    version: str = VERSION
    final_latency_ms: int | UnsetType = UNSET
    measured: MeasuredCosts | UnsetType = UNSET
    request_id: Opt = UNSET


class ConfigEvent(Event, frozen=True, kw_only=True, tag="config"):
    """The settings in force in this session, and which of them are live."""

    settings: dict[str, JsonScalar]
    live: list[str]
    request_id: Opt = UNSET


class ConfigUpdated(Event, frozen=True, kw_only=True, tag="config_updated"):
    """Settings that changed."""

    settings: dict[str, JsonScalar]
    request_id: Opt = UNSET


class Statistics(Event, frozen=True, kw_only=True, tag="statistics"):
    """Counters since start."""

    counters: dict[str, float]
    request_id: Opt = UNSET


class Pong(Event, frozen=True, kw_only=True, tag="pong"):
    """The answer to a ping."""

    timestamp: str
    request_id: Opt = UNSET


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Something a person should know; nothing failed. `level` is info or warning."""

    level: str
    code: str
    message: str
    session_id: Opt = UNSET
    stream_id: Opt = UNSET


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    """A request or an utterance failed. `fatal` says that the connection closes."""

    code: str
    message: str
    fatal: bool = False
    session_id: Opt = UNSET
    stream_id: Opt = UNSET
    utterance_id: int | UnsetType = UNSET
    request_id: Opt = UNSET


class ServerShutdown(Event, frozen=True, kw_only=True, tag="server_shutdown"):
    """The server drains: audio is taken no more, what was said becomes finals for up to `grace_s`.

    Then the connection closes with 1001.
    """

    grace_s: float


def optional(text: str | None) -> Opt:
    """A field that is left out when there is nothing to say."""
    return UNSET if text is None else text
