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
