"""The wire codec: requests in, events out. Pure; with `messages`, the only JSON in the server.

Requests are parsed strictly (`parse_control`, `parse_audio`): a wrong type or a missing field is
a `ProtocolError` with a stable code; unknown fields are ignored.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from server.fields import (
    ChannelMode,
    Channels,
    Encoding,
    SampleRate,
)
from server.messages import Event, JsonScalar

MAX_REQUEST_ID_CHARS: Final = 256
"""It comes back in the answer, and what changes something is answered to everybody."""

_Id: TypeAlias = Annotated[str, Meta(max_length=MAX_REQUEST_ID_CHARS)]

MAX_PROBLEM_CHARS: Final = 300
"""The library's words for what is wrong with a message may repeat all of it."""

MAX_SEQ: Final = 2**53
"""Every number up to there is one of JavaScript's, too."""


class ProtocolError(Exception):
    """A message that cannot be acted on. The connection lives on."""

    def __init__(self, code: str, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.request_id = request_id


class Request(Struct, frozen=True, tag_field="type", kw_only=True):
    """Any request; `request_id` is echoed in the answer."""

    request_id: Annotated[_Id | None, Meta(description="echoed in the answer")] = None


class LoadModel(Request, frozen=True, kw_only=True, tag="load_model"):
    """Make a catalogue model the one that answers, fetched first if it is not on disk.

    With `shadow` it only decodes beside the current one, to be compared: `end_shadow` ends that.
    """

    model_id: Annotated[str, Meta(description="its id in the catalogue")]
    shadow: Annotated[bool, Meta(description="compare it, do not use it yet")] = False


class CancelLoad(Request, frozen=True, kw_only=True, tag="cancel_load"):
    """Stop fetching a model's files; whoever asked for the model is told."""

    model_id: Annotated[str, Meta(description="its id in the catalogue")]


class EndShadow(Request, frozen=True, kw_only=True, tag="end_shadow"):
    """End a shadow run: the second model answers from now on, or leaves."""

    model_id: Annotated[str, Meta(description="the second model's id")]
    keep: Annotated[bool, Meta(description="true: it answers from now on")]


class GetModels(Request, frozen=True, kw_only=True, tag="get_models"):
    """Ask for the catalogue."""


class StartRecording(Request, frozen=True, kw_only=True, tag="start_recording"):
    """Take audio in this session from now on."""


class StopRecording(Request, frozen=True, kw_only=True, tag="stop_recording"):
    """Finish what was said, then take no audio until started again."""


class GetStatus(Request, frozen=True, kw_only=True, tag="get_status"):
    """Ask for `server_status`."""


class GetConfig(Request, frozen=True, kw_only=True, tag="get_config"):
    """Ask for the settings in force in this session."""


class UpdateConfig(Request, frozen=True, kw_only=True, tag="update_config"):
    """Change live settings. All are applied or none."""

    settings: Annotated[dict[str, JsonScalar], Meta(description="new values by name")]


class GetStatistics(Request, frozen=True, kw_only=True, tag="get_statistics"):
    """Ask for counters."""


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Ask for a pong."""


class AudioChunk(Request, frozen=True, kw_only=True, tag="audio_chunk"):
    """Base64 audio in the configured encoding."""

    data: Annotated[str, Meta(description="standard base64 of audio")]
    seq: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_SEQ)] | UnsetType,
        Meta(description="counts up by 1: one that came before is not taken again"),
    ] = UNSET


class AudioEnd(Request, frozen=True, kw_only=True, tag="audio_end"):
    """A barrier: acknowledged after every final of the audio before it."""


class AudioConfig(Request, frozen=True, kw_only=True, tag="audio_config"):
    """The format of the audio that follows; opts in to every event.

    `finals` stays as it was unless given.
    """

    encoding: Encoding = "pcm16"
    sample_rate: SampleRate = 16_000
    channels: Channels = 1
    channel_mode: ChannelMode = "mix"
    finals: Annotated[
        Literal["single", "revised"] | UnsetType, Meta(description="as it was unless given")
    ] = UNSET


class Authenticate(Request, frozen=True, kw_only=True, tag="authenticate"):
    """The first message of a connection with `?auth=message`: who it is."""

    token: Annotated[str, Meta(description="as the operator gave it", max_length=1000)]


class Resume(Request, frozen=True, kw_only=True, tag="resume"):
    """The first message of a connection with `?resume=back`: its old place, if it still has it."""

    resume_token: Annotated[str, Meta(description="of the last `connected`", max_length=200)]
    last_event_id: Annotated[
        int, Meta(description="of the last event that was received; what follows is sent", ge=0)
    ] = 0


ControlRequest: TypeAlias = (
    LoadModel
    | CancelLoad
    | EndShadow
    | GetModels
    | StartRecording
    | StopRecording
    | GetStatus
    | GetConfig
    | UpdateConfig
    | GetStatistics
    | Ping
)
AudioRequest: TypeAlias = AudioChunk | AudioEnd | AudioConfig | Ping


@dataclass(frozen=True, slots=True)
class MarkedAudio:
    """The audio of an `audio_chunk` with a `seq` or a `request_id`."""

    data: bytes
    seq: int | None
    request_id: str | None


class _Envelope(Struct):
    type: str
    request_id: str | None = None


class _OnlyId(Struct):
    """What can be said of an object that is no message."""

    request_id: _Id | None = None


_ONLY_ID = msgspec.json.Decoder(_OnlyId)


def request_id_of(message: str | bytes) -> str | None:
    """The `request_id` of whatever came, to be echoed; None where it has none that can be."""
    if isinstance(message, bytes):
        return None
    try:
        return _ONLY_ID.decode(message).request_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


RequestT = TypeVar("RequestT")


class _Parser:
    """Decoders for one port, built once."""

    def __init__(self, requests: tuple[type[Request], ...]) -> None:
        self._envelope = msgspec.json.Decoder(_Envelope)
        self._by_type = {
            str(request.__struct_config__.tag): msgspec.json.Decoder(request)
            for request in requests
        }

    def parse(self, text: str) -> Any:
        try:
            envelope = self._envelope.decode(text)
        except msgspec.ValidationError as error:
            raise ProtocolError(
                "bad_message",
                f"{error}; every message is a JSON object with a string `type`",
                request_id_of(text),
            ) from error
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ProtocolError("bad_json", f"not JSON: {error}") from error
        if len(envelope.request_id or "") > MAX_REQUEST_ID_CHARS:
            raise ProtocolError(
                "bad_message", f"request_id is at most {MAX_REQUEST_ID_CHARS} characters"
            )
        decoder = self._by_type.get(envelope.type)
        if decoder is None:
            raise ProtocolError(
                "unknown_type",
                f"unknown type {envelope.type[:60]!r}; this port takes {', '.join(self._by_type)}",
                envelope.request_id,
            )
        try:
            return decoder.decode(text)
        except msgspec.ValidationError as error:
            raise ProtocolError(
                "bad_message",
                f"{envelope.type}: {str(error)[:MAX_PROBLEM_CHARS]}",
                envelope.request_id,
            ) from error


CONTROL_REQUESTS: tuple[type[Request], ...] = (
    LoadModel,
    CancelLoad,
    EndShadow,
    GetModels,
    StartRecording,
    StopRecording,
    GetStatus,
    GetConfig,
    UpdateConfig,
    GetStatistics,
    Ping,
)
AUDIO_REQUESTS: tuple[type[Request], ...] = (AudioChunk, AudioEnd, AudioConfig, Ping)
FIRST_REQUESTS: tuple[type[Request], ...] = (Authenticate, Resume)
"""Taken before anything else, in this order, on either port, where the address promised them."""

_CONTROL = _Parser(CONTROL_REQUESTS)
_AUDIO = _Parser(AUDIO_REQUESTS)
_AUTHENTICATE = _Parser((Authenticate,))
_RESUME = _Parser((Resume,))


def parse_control(message: str | bytes) -> ControlRequest:
    """Parse one message of the control port. Raises ProtocolError, never anything else."""
    if isinstance(message, bytes):
        raise ProtocolError("binary_on_control", "binary frames belong on the audio port")
    request: ControlRequest = _CONTROL.parse(message)
    return request


def parse_authenticate(message: str | bytes) -> Authenticate:
    """Parse the first message of a connection with `?auth=message`. Raises ProtocolError."""
    request: Authenticate = _AUTHENTICATE.parse(_as_text(message))
    return request


def parse_first(message: str | bytes) -> Resume:
    """Parse the first message of a connection with `?resume=back`. Raises ProtocolError."""
    request: Resume = _RESUME.parse(_as_text(message))
    return request


def _as_text(message: str | bytes) -> str:
    if isinstance(message, bytes):
        raise ProtocolError("bad_message", "the first message is a JSON object")
    return message


def parse_audio(message: str | bytes) -> AudioRequest | MarkedAudio | bytes:
    """Parse one message of the audio port; audio of which nothing else is said comes as bytes.

    Raises ProtocolError, never anything else.
    """
    if isinstance(message, bytes):
        return message
    request: AudioRequest = _AUDIO.parse(message)
    if not isinstance(request, AudioChunk):
        return request
    try:
        data = base64.b64decode(request.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(
            "bad_base64", f"audio_chunk: data is not base64: {error}", request.request_id
        ) from error
    seq = None if request.seq is UNSET else request.seq
    if seq is None and request.request_id is None:
        return data
    return MarkedAudio(data, seq, request.request_id)


def encode(event: Event) -> str:
    """Encode an event as JSON text."""
    return msgspec.json.encode(event).decode()
