"""Fields that several messages have, with their descriptions."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, UnsetType

SessionId: TypeAlias = Annotated[str, Meta(description="the session it belongs to")]
StreamId: TypeAlias = Annotated[str, Meta(description="one connection's stream of audio")]
UtteranceId: TypeAlias = Annotated[int, Meta(description="counts the stream's utterances from 1")]
Revision: TypeAlias = Annotated[int, Meta(description="grows within the utterance")]
ModelId: TypeAlias = Annotated[str, Meta(description="the model's id in the catalogue")]
StartMs: TypeAlias = Annotated[int, Meta(description="where it starts on the stream's clock")]
EndMs: TypeAlias = Annotated[int, Meta(description="where it ends on the stream's clock")]
AtMs: TypeAlias = Annotated[int, Meta(description="where, on the stream's clock")]
Timestamp: TypeAlias = Annotated[str, Meta(description="UTC: 2025-09-03T10:30:00.000Z")]
Speaker: TypeAlias = Annotated[
    str | UnsetType, Meta(description="`?speaker=` of the connection, or the channel's")
]
RequestId: TypeAlias = Annotated[str | UnsetType, Meta(description="echoed from the request")]
EventId: TypeAlias = Annotated[
    int | UnsetType, Meta(description="counts the session's events; say the last one to resume")
]
StreamIds: TypeAlias = Annotated[list[str], Meta(description="of this connection, by channel")]
Finals: TypeAlias = Annotated[str, Meta(description="what the connection gets: single or revised")]
Encoding: TypeAlias = Annotated[str, Meta(description="pcm16, float32, mulaw or alaw")]
SampleRate: TypeAlias = Annotated[int, Meta(description="Hz, 8000 to 96000")]
Channels: TypeAlias = Annotated[int, Meta(description="1 or 2")]
ChannelMode: TypeAlias = Annotated[
    str, Meta(description="mix (averaged) or split (a stream per channel)")
]
