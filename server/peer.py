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


class Finals(Enum):
    """Which finals a connection hears."""

    SINGLE = "single"
    """One of each utterance."""
    REVISED = "revised"
    """Also the provisional one of an utterance that is decoded again."""


class Peer:
    """A connection's identity, what it wants to hear, and its outbox.

    An audio connection hears only transcripts and errors (what a minimal client expects), and
    the answers that it asked for with a ping or a `request_id`, until it opts in to every event.
    """

    def __init__(
        self,
        peer_id: str,
        port: Port,
        role: Role,
        every_event: bool,
        finals: Finals = Finals.SINGLE,
    ) -> None:
        self.id = peer_id
        self.port = port
        self.role = role
        self.every_event = every_event or port is Port.CONTROL
        self.finals = finals
        self.outbox = Outbox()

    def wants(self, event: Event) -> bool:
        """Whether this event is for this connection."""
        if isinstance(event, FinalTranscription) and event.provisional is not UNSET:
            return self.finals is Finals.REVISED
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
            self.outbox.put(text, _unsettled_key(event))
            return
        key = None
        if isinstance(event, FinalTranscription):
            unsettled = _unsettled_key(event)
            self.outbox.supersede(unsettled)
            key = unsettled if event.provisional is True else None
        self.outbox.put(text, key)


def _unsettled_key(event: RealtimeTranscription | FinalTranscription) -> str:
    """Of what an utterance's final replaces."""
    return f"{event.stream_id}/{event.utterance_id}"
