"""The events that tell of the flow of audio: what was not taken, or got no text."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from server.fields import EndMs, EventId, SessionId, StartMs, StreamId, UtteranceId
from server.messages import Event


class Gap(Event, frozen=True, kw_only=True, tag="gap"):
    """Audio that was received and will get no final; an `error` beside it says so in words.

    What no final and no gap covers was silence. Without `end_ms` it is all from `start_ms` on:
    the stream takes no more.
    """

    session_id: SessionId
    stream_id: StreamId
    start_ms: StartMs
    end_ms: EndMs | UnsetType = UNSET
    utterance_id: UtteranceId | UnsetType = UNSET
    reason: Annotated[str, Meta(description="the code of the error beside it")]
    message: Annotated[str, Meta(description="for people")]
    event_id: EventId = UNSET
