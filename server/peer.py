"""One client connection as the rest of the server sees it."""

from __future__ import annotations

from enum import Enum

from msgspec import UNSET

from server.messages import (
    AudioEndAck,
    ErrorEvent,
    Event,
    FinalTranscription,
    Pong,
    RealtimeTranscription,
)
from server.outbox import Outbox
from server.protocol import encode


class Port(Enum):
    """Which of the two ports a connection came in by."""

    CONTROL = "control"
    AUDIO = "audio"


class Role(Enum):
    """What a connection may do."""

    SPEAKER = "speaker"
    VIEWER = "viewer"
    """Hears everything, sends nothing that changes anything."""


class Peer:
    """A connection's identity, what it wants to hear, and its outbox.

    An audio connection hears only transcripts and errors (what a minimal client expects), and
    the answers that it asked for with a ping or a `request_id`, until it opts in to every event.
    """

    def __init__(self, peer_id: str, port: Port, role: Role, every_event: bool) -> None:
        self.id = peer_id
        self.port = port
        self.role = role
        self.every_event = every_event or port is Port.CONTROL
        self.outbox = Outbox()

    def wants(self, event: Event) -> bool:
        """Whether this event is for this connection."""
        if self.every_event:
            return True
        if isinstance(event, AudioEndAck):
            return event.request_id is not UNSET
        return isinstance(event, RealtimeTranscription | FinalTranscription | ErrorEvent | Pong)

    def send(self, event: Event) -> None:
        """Queue an event if it is wanted."""
        self.send_encoded(event, encode(event))

    def send_encoded(self, event: Event, text: str) -> None:
        """Queue an event that was encoded once for many peers."""
        if not self.wants(event):
            return
        if isinstance(event, RealtimeTranscription):
            self.outbox.put(text, _partial_key(event.stream_id, event.utterance_id))
            return
        if isinstance(event, FinalTranscription):
            self.outbox.supersede(_partial_key(event.stream_id, event.utterance_id))
        self.outbox.put(text)


def _partial_key(stream_id: str, utterance_id: int) -> str:
    return f"{stream_id}/{utterance_id}"
