"""A running server, as integration tests see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AsrServer:
    """The ports of a server that hears Thai, on localhost."""

    control_port: int
    audio_port: int
