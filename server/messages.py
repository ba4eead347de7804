"""Every event the server sends, as typed structs: with `protocol`, the only JSON field names.

The fields that the published protocol names come first and are always there; added ones follow,
and are left out when they have nothing to say.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from server.fields import (
    AtMs,
    ChannelMode,
    Channels,
    Encoding,
    EndMs,
    EventId,
    Finals,
    ModelId,
    RequestId,
    Revision,
    SampleRate,
    SessionId,
    Speaker,
    StartMs,
    StreamId,
    StreamIds,
    Timestamp,
    UtteranceId,
)
from server.limit_messages import Limits

SERVER_NAME = "Thai ASR Real-time Server"
VERSION = "1.0.0"

Opt: TypeAlias = str | UnsetType
JsonScalar: TypeAlias = str | int | float | bool | None


class Event(Struct, frozen=True, tag_field="type", kw_only=True):
    """Anything the server says."""


class Connected(Event, frozen=True, kw_only=True, tag="connected"):
    """First event of a control connection (of an audio connection with `?events=all`)."""

    server: Annotated[str, Meta(description="what answers")] = SERVER_NAME
    version: Annotated[str, Meta(description="the server's version")] = VERSION
    current_model: Annotated[str, Meta(description="id of the model that answers")]
    session_id: SessionId
    audio_port: Annotated[int, Meta(description="number of the audio port")]
    control_port: Annotated[int, Meta(description="number of the control port")]
    role: Annotated[str, Meta(description="speaker or viewer")]
    limits: Annotated[Limits, Meta(description="what a client may send")]
    sample_rate: SampleRate
    chunk_size: Annotated[int, Meta(description="samples per message, a good size")]
    channels: Channels
    audio_format: Annotated[str, Meta(description="encoding expected unless configured")]
    finals: Finals = "single"
    stream_ids: StreamIds | UnsetType = UNSET
    resume_token: Annotated[Opt, Meta(description="to come back to this place with")] = UNSET
    resumed: Annotated[bool | UnsetType, Meta(description="whether this is its old place")] = UNSET
    audio_logging: Annotated[
        bool | UnsetType, Meta(description="true: what is said is written to the server's disk")
    ] = UNSET
    last_event_id: Annotated[
        int | UnsetType, Meta(description="the session's newest: a new place has heard up to it")
    ] = UNSET
    received_messages: Annotated[
        int | UnsetType, Meta(description="of this place so far: send what follows")
    ] = UNSET


class RecordingStateEvent(Event, frozen=True, kw_only=True, tag="recording_state"):
    """The session's recording state: idle, recording or flushing."""

    state: Annotated[str, Meta(description="idle, recording or flushing")]
    session_id: SessionId
    reason: Annotated[Opt, Meta(description="what changed it")] = UNSET
    request_id: RequestId = UNSET
    event_id: EventId = UNSET


class RealtimeTranscription(Event, frozen=True, kw_only=True, tag="realtime_transcription"):
    """A partial. `text` starts with `stable_text`, which only grows within an utterance."""

    text: Annotated[str, Meta(description="what is understood so far")]
    timestamp: Timestamp
    is_final: Annotated[bool, Meta(description="always false")] = False
    session_id: SessionId
    stream_id: StreamId
    speaker: Speaker = UNSET
    utterance_id: UtteranceId
    revision: Revision
    stable_text: Annotated[str, Meta(description="will not change any more")]
    start_ms: StartMs
    end_ms: EndMs
    model_id: ModelId
    event_id: EventId = UNSET


class FinalTranscription(Event, frozen=True, kw_only=True, tag="final_transcription"):
    """The one final of an utterance. `reason` says why `text` is empty, if it is.

    Clients that asked for revised finals, and no others, also get one with `provisional` true
    when a better decode of the utterance follows (as the final, with a higher `revision`), and one
    with `provisional` false when that decode found no speech and nothing else had been shown.
    """

    text: Annotated[str, Meta(description="what was said")]
    duration: Annotated[float, Meta(description="seconds of audio")]
    processing_time: Annotated[float, Meta(description="seconds of its decode")]
    speed_ratio: Annotated[float, Meta(description="the first divided by the second")]
    model: Annotated[str, Meta(description="the model's repository")]
    timestamp: Timestamp
    is_final: Annotated[bool, Meta(description="always true")] = True
    model_id: ModelId
    session_id: SessionId
    stream_id: StreamId
    speaker: Speaker = UNSET
    utterance_id: UtteranceId
    revision: Revision
    start_ms: StartMs
    end_ms: EndMs
    confidence: Annotated[float, Meta(description="mean token probability, 0 to 1")]
    end_reason: Annotated[str, Meta(description="silence, split or flush")]
    reason: Annotated[Opt, Meta(description="why there is no text")] = UNSET
    provisional: Annotated[bool | UnsetType, Meta(description="revised finals only")] = UNSET
    event_id: EventId = UNSET


class SpeechStartedEvent(Event, frozen=True, kw_only=True, tag="speech_started"):
    """Someone began to speak (opt-in)."""

    session_id: SessionId
    stream_id: StreamId
    utterance_id: UtteranceId
    at_ms: AtMs
    event_id: EventId = UNSET


class SpeechEndedEvent(Event, frozen=True, kw_only=True, tag="speech_ended"):
    """An utterance ended (opt-in). Its final follows, unless nobody spoke after all."""

    session_id: SessionId
    stream_id: StreamId
    utterance_id: UtteranceId
    at_ms: AtMs
    reason: Annotated[str, Meta(description="silence, split or flush")]
    event_id: EventId = UNSET


class AudioConfigured(Event, frozen=True, kw_only=True, tag="audio_configured"):
    """The answer to `audio_config`."""

    encoding: Encoding
    sample_rate: SampleRate
    channels: Channels
    channel_mode: ChannelMode
    stream_ids: StreamIds
    finals: Finals = "single"
    received_ms: Annotated[int, Meta(description="where on the streams' clock it begins")] = 0
    request_id: RequestId = UNSET
    event_id: EventId = UNSET


class AudioEndAck(Event, frozen=True, kw_only=True, tag="audio_end_ack"):
    """Every final of the audio before `audio_end` has been sent."""

    session_id: SessionId
    stream_ids: StreamIds
    received_ms: Annotated[int, Meta(description="audio received on the stream's clock")]
    status: Annotated[str, Meta(description="success or already_idle")] = "success"
    request_id: RequestId = UNSET
    event_id: EventId = UNSET


class LoadFigures(Struct, frozen=True, kw_only=True):
    """What loading a model took on this machine."""

    load_s: Annotated[float, Meta(description="seconds, warm-up and measuring included")]
    warm_up_s: Annotated[float, Meta(description="seconds of the first decode")]
    memory_mb: Annotated[int | UnsetType, Meta(description="memory taken, of the device's")] = UNSET
    rtf: Annotated[float | UnsetType, Meta(description="decode time per time of speech")] = UNSET


class MeasuredCosts(Struct, frozen=True, kw_only=True):
    """Seconds that decodes of 5 s of speech took here, in `server_status`.

    What could change nothing was not tried, and is left out.
    """

    partial_s: Annotated[float, Meta(description="a partial or quick final")]
    accurate_s: Annotated[float | UnsetType, Meta(description="beam 5, wide context")] = UNSET
    batch_s: Annotated[float | UnsetType, Meta(description="a whole batch")] = UNSET


class ServerStatus(Event, frozen=True, kw_only=True, tag="server_status"):
    """What the server is, does and has. `profile` is the one in force."""

    current_model: Annotated[str, Meta(description="id of the model that answers")]
    device: Annotated[str, Meta(description="cpu or cuda")]
    compute_type: Annotated[str, Meta(description="number format of the decoding")]
    profile: Annotated[str, Meta(description="fast, balanced or accurate")]
    profile_setting: Annotated[str, Meta(description="as set; auto is by measurement")]
    partial_interval_ms: Annotated[int, Meta(description="audio between partials")]
    workers: Annotated[int, Meta(description="decodes that run at once")]
    batch_size: Annotated[int, Meta(description="most utterances in one decode")]
    ready: Annotated[bool, Meta(description="a model answers")]
    uptime_s: Annotated[float, Meta(description="seconds since start")]
    sessions: Annotated[int, Meta(description="sessions somebody is in")]
    streams: Annotated[int, Meta(description="audio connections that may send")]
    clients: Annotated[int, Meta(description="connections of both ports")]
    recording_state: Annotated[str, Meta(description="that of the asker's session")]
    waiting_partials: Annotated[int, Meta(description="not yet decoded")]
    waiting_finals: Annotated[int, Meta(description="not yet decoded")]
    waiting_audio_s: Annotated[float, Meta(description="audio in the finals that wait")]
    notices: Annotated[list[str], Meta(description="what a person should know")]
    load: Annotated[float, Meta(description="busy share of the workers' last 10 s, 0 to 1")]
    admission: Annotated[str, Meta(description="admitting, stretched or refusing")] = "admitting"
    limits_reached: Annotated[list[str] | UnsetType, Meta(description="what is full now")] = UNSET
    refusals: Annotated[dict[str, int] | UnsetType, Meta(description="by reason")] = UNSET
    version: Annotated[str, Meta(description="the server's version")] = VERSION
    final_latency_ms: Annotated[int | UnsetType, Meta(description="last sample to final")] = UNSET
    measured: Annotated[MeasuredCosts | UnsetType, Meta(description="decode times here")] = UNSET
    load_figures: Annotated[LoadFigures | UnsetType, Meta(description="of the model's load")] = (
        UNSET
    )
    request_id: RequestId = UNSET


class ConfigEvent(Event, frozen=True, kw_only=True, tag="config"):
    """The settings in force in this session, and which of them are live."""

    settings: Annotated[dict[str, JsonScalar], Meta(description="values by name")]
    live: Annotated[list[str], Meta(description="names that need no restart")]
    request_id: RequestId = UNSET


class ConfigUpdated(Event, frozen=True, kw_only=True, tag="config_updated"):
    """Settings that changed."""

    settings: Annotated[dict[str, JsonScalar], Meta(description="new values by name")]
    request_id: RequestId = UNSET
    event_id: EventId = UNSET


class Statistics(Event, frozen=True, kw_only=True, tag="statistics"):
    """Counters since start."""

    counters: Annotated[dict[str, float], Meta(description="by name, which ends in its unit")]
    request_id: RequestId = UNSET


class Pong(Event, frozen=True, kw_only=True, tag="pong"):
    """The answer to a ping."""

    timestamp: Timestamp
    request_id: RequestId = UNSET


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Something a person should know; nothing failed. `level` is info or warning."""

    level: Annotated[str, Meta(description="info or warning")]
    code: Annotated[str, Meta(description="stable, for programs")]
    message: Annotated[str, Meta(description="for people")]
    left_s: Annotated[float | UnsetType, Meta(description="seconds until it happens")] = UNSET
    session_id: SessionId | UnsetType = UNSET
    stream_id: StreamId | UnsetType = UNSET
    event_id: EventId = UNSET


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    """A request or an utterance failed. `fatal` says that the connection closes."""

    code: Annotated[str, Meta(description="stable, for programs")]
    message: Annotated[str, Meta(description="for people: what happened, what to do")]
    fatal: Annotated[bool, Meta(description="the connection closes")] = False
    session_id: SessionId | UnsetType = UNSET
    stream_id: StreamId | UnsetType = UNSET
    utterance_id: UtteranceId | UnsetType = UNSET
    request_id: RequestId = UNSET
    event_id: EventId = UNSET


class ServerShutdown(Event, frozen=True, kw_only=True, tag="server_shutdown"):
    """The server drains: audio is taken no more, what was said becomes finals for up to `grace_s`.

    Then the connection closes, with 1012 where the server comes back and with 1001 otherwise.
    """

    grace_s: Annotated[float, Meta(description="longest wait for finals under way")]


def optional(text: str | None) -> Opt:
    """A field that is left out when there is nothing to say."""
    return UNSET if text is None else text
