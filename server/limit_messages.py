"""What a client may send, and for how long it may stay: announced in `connected`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Limits(Struct, frozen=True, kw_only=True):
    """What a client may send, announced in `connected`. Of a number 0 means no limit."""

    max_audio_message_bytes: Annotated[int, Meta(description="longest message of the audio port")]
    max_control_message_bytes: Annotated[int, Meta(description="longest of the control port")]
    max_utterance_s: Annotated[float, Meta(description="longer utterances are split")]
    inbox_audio_s: Annotated[float, Meta(description="audio taken ahead of decoding")]
    max_audio_rate: Annotated[
        float, Meta(description="audio per time of a stream while others need the workers")
    ] = 0
    max_audio_messages_per_s: Annotated[
        float, Meta(description="of an audio connection, pings included")
    ] = 0
    max_control_messages_per_s: Annotated[float, Meta(description="of a control connection")] = 0
    max_bytes_per_s: Annotated[float, Meta(description="of a connection")] = 0
    max_errors_per_s: Annotated[float, Meta(description="answers to wrong messages")] = 0
    max_connections: Annotated[int, Meta(description="of both ports")] = 0
    max_connections_per_address: Annotated[int, Meta(description="of both ports")] = 0
    max_sessions: Annotated[int, Meta(description="in all")] = 0
    max_streams: Annotated[int, Meta(description="audio connections that may send")] = 0
    max_session_s: Annotated[float, Meta(description="how long a connection lasts")] = 0
    idle_s: Annotated[float, Meta(description="without any message it is closed")] = 0
    ping_interval_s: Annotated[float, Meta(description="between pings of the server")] = 0
    ping_timeout_s: Annotated[float, Meta(description="nothing comes after one: gone")] = 0
