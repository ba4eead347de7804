"""Rows of the settings table: what is bounded, and how long is waited."""

from __future__ import annotations

from dataclasses import dataclass

from server.setting_rows import row


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """What is bounded, and how long is waited."""

    # bounds
    max_audio_message_bytes: int = row(
        1_048_576, "largest message on the audio port", low=4_096, high=67_108_864
    )
    max_control_message_bytes: int = row(
        262_144, "largest message on the control port", low=1_024, high=16_777_216
    )
    max_control_messages_per_s: float = row(
        50.0,
        "messages a second that are read of a control connection, on the average; 0: no limit",
        low=0.0,
        high=1e6,
    )
    max_audio_messages_per_s: float = row(
        1_000.0,
        "messages a second that are read of an audio connection, on the average; 0: no limit",
        low=0.0,
        high=1e6,
    )
    max_bytes_per_s: float = row(
        16_777_216.0,
        "bytes a second that are read of a connection, on the average; 0: no limit",
        low=0.0,
        high=1e9,
    )
    max_audio_rate: float = row(
        4.0,
        "seconds of audio a second that are taken of a stream while others speak and the decode "
        "workers are busy; 0: no limit",
        low=0.0,
        high=1e6,
    )
    max_errors_per_s: float = row(
        10.0, "wrong messages of a connection that are answered a second", low=0.1, high=1e6
    )
    inbox_audio_s: float = row(
        4.0, "audio of one stream that waits before its sender does", low=0.5, high=60.0
    )
    wire_partial_s: float = row(
        1.0, "nothing on the wire in mid-utterance: a partial after this", low=0.1, high=60.0
    )
    wire_final_s: float = row(
        2.0, "nothing on the wire in mid-utterance: its final after this", low=0.2, high=600.0
    )
    resume_s: float = row(
        60.0,
        "how long a client that asked for it can come back to its place after a lost connection; "
        "events are kept in memory this long",
        low=0.0,
        high=600.0,
    )
    drain_s: float = row(
        6.0,
        "longest wait for finals at shutdown; the server has ended 4 s later",
        low=0.0,
        high=600.0,
    )
