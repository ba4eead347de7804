"""Events of sessions that survive their connections: positions and snapshots."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from server.fields import SessionId
from server.messages import Event, FinalTranscription, RealtimeTranscription


class AudioPosition(Event, frozen=True, kw_only=True, tag="audio_position"):
    """The audio up to here is safe in the server (to connections with `?resume=`, twice a second).

    `received_messages` counts what was sent on the audio port: audio of either kind,
    `audio_config` and `audio_end`; pings do not count.
    """

    session_id: SessionId
    received_messages: Annotated[int, Meta(description="taken so far: need not be sent again")]
    received_s: Annotated[float, Meta(description="seconds of audio in them")]
    seq: Annotated[int | UnsetType, Meta(description="the last `seq` taken, if any came")] = UNSET


class SessionSnapshot(Event, frozen=True, kw_only=True, tag="session_snapshot"):
    """What a late viewer finds: the session's latest finals, and what is being said now.

    Comes behind `connected` to viewers and to connections with `?resume=`, if there is any.
    """

    session_id: SessionId
    recording_state: Annotated[str, Meta(description="idle, recording or flushing")]
    finals: Annotated[list[FinalTranscription], Meta(description="of the last minute, in order")]
    partials: Annotated[
        list[RealtimeTranscription], Meta(description="the newest of each open utterance")
    ]
    last_event_id: Annotated[int, Meta(description="events up to this one are in it")]
