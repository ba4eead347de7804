"""What a client keeps to come back to its place in a session after a lost connection. Pure."""

from __future__ import annotations

from collections import deque

import msgspec
from msgspec import UNSET

from server import protocol
from server.messages import Connected, Event


class Resumption:
    """One place on the audio port, over as many connections as it takes.

    Messages are kept until the server acknowledges them. It holds the sender back after two
    windows of audio, so that no more than these are kept.
    """

    def __init__(self) -> None:
        self._token: str | None = None
        self._last_event_id = 0
        self._kept: deque[bytes | str] = deque()
        self._acknowledged = 0

    @property
    def wish(self) -> str:
        """What to ask for in the address."""
        return "new" if self._token is None else "back"

    @property
    def possible(self) -> bool:
        """Whether there is a place to come back to."""
        return self._token is not None

    def first_message(self) -> str | None:
        """What is said before anything else, if something is."""
        if self._token is None:
            return None
        resume = protocol.Resume(resume_token=self._token, last_event_id=self._last_event_id)
        return msgspec.json.encode(resume).decode()

    def greeted(self, connected: Connected) -> bool:
        """The audio port's greeting came: whether this is the old place."""
        resumed = connected.resumed is True
        self._token = None if connected.resume_token is UNSET else connected.resume_token
        if resumed and connected.received_messages is not UNSET:
            self.acknowledged(connected.received_messages)
        if not resumed:
            self._kept.clear()
            self._acknowledged = 0
            newest = connected.last_event_id
            self._last_event_id = 0 if newest is UNSET else newest
        return resumed

    def sending(self, message: bytes | str) -> None:
        """A message is about to be sent, pings aside."""
        if self._token is not None:
            self._kept.append(message)

    def acknowledged(self, received_messages: int) -> None:
        """The server has taken so many messages since the place was new."""
        while self._kept and self._acknowledged < received_messages:
            self._kept.popleft()
            self._acknowledged += 1

    def unacknowledged(self) -> list[bytes | str]:
        """What the server may not have, in order."""
        return list(self._kept)

    def heard(self, event: Event) -> None:
        """An event of the audio port was received."""
        event_id = getattr(event, "event_id", UNSET)
        if event_id is not UNSET:
            self._last_event_id = max(self._last_event_id, event_id)
