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
from server.resume_messages import AudioPosition


class Port(Enum):
    """Which of the two ports a connection came in by."""

    CONTROL = "control"
    AUDIO = "audio"


class Role(Enum):
    """What a connection may do."""

    SPEAKER = "speaker"
    VIEWER = "viewer"
    """Hears everything, sends nothing that changes anything."""
    ADMIN = "admin"
    """A speaker that may also load models and change settings; where there are tokens."""


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
        if self.wants(event):
            self.outbox.put(text, self._key(event))

    def send_missed(self, event: Event, text: str) -> None:
        """Queue what was said before the client came, or was away, whatever the outbox's bound."""
        if self.wants(event):
            self.outbox.put_backlog(text, self._key(event))

    def _key(self, event: Event) -> str | None:
        """What a later event may take the place of; a final says all that its utterance's do."""
        if isinstance(event, AudioPosition):
            return "audio_position"
        if not isinstance(event, RealtimeTranscription | FinalTranscription):
            return None
        utterance = f"{event.stream_id}/{event.utterance_id}"
        if isinstance(event, RealtimeTranscription) or event.provisional is True:
            return utterance
        self.outbox.supersede(utterance)
        return None
