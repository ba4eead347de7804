"""What the server said, as the structs of `server.messages`."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from server import flow_messages, messages, model_messages, resume_messages
from server.flow_messages import Gap
from server.messages import (
    ConfigUpdated,
    ErrorEvent,
    Event,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    RecordingStateEvent,
    ServerShutdown,
    SpeechEndedEvent,
    SpeechStartedEvent,
)
from server.model_messages import ModelProgress
from server.resume_messages import SessionSnapshot

IDLE = "idle"
SESSION_ENDING = "session_ending"
"""Notices of a connection, so each port has its own."""

ON_BOTH_PORTS = (
    RealtimeTranscription,
    FinalTranscription,
    RecordingStateEvent,
    SpeechStartedEvent,
    SpeechEndedEvent,
    ConfigUpdated,
    ServerShutdown,
    SessionSnapshot,
    Gap,
)


class _Envelope(msgspec.Struct):
    type: str


_MODULES = {
    module.__name__ for module in (messages, model_messages, resume_messages, flow_messages)
}
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_DECODERS = {
    str(event.__struct_config__.tag): msgspec.json.Decoder(event)
    for event in Event.__subclasses__()
    if event.__module__ in _MODULES
}


class BadEventError(Exception):
    """The other side does not speak this protocol."""


def parse_event(message: str | bytes) -> Event | None:
    """The event in a message, None for a type that a newer server may send.

    Raises BadEventError for anything that is no event.
    """
    try:
        envelope = _ENVELOPE.decode(message)
        decoder = _DECODERS.get(envelope.type)
        return None if decoder is None else decoder.decode(message)
    except msgspec.DecodeError as error:
        raise BadEventError(f"not an event of this protocol: {error}") from error


def comes_on_audio(event: Event) -> bool:
    """Whether an event of the control port comes on the audio port, too."""
    if isinstance(event, Notice | ErrorEvent):
        ending = isinstance(event, Notice) and event.code == SESSION_ENDING
        return ending or event.stream_id is not msgspec.UNSET
    return isinstance(event, ON_BOTH_PORTS)


class EventQueue:
    """Events on their way to whoever iterates.

    Bound: `limit` events. Overflow: the oldest partial or model progress goes, for newer follow;
    where there is none `put` waits, so that TCP slows the server, which drops no final.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._events: deque[Event] = deque()
        self._finished = False
        self._error: Exception | None = None
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Whether nothing more comes."""
        return self._finished

    async def put(self, event: Event) -> None:
        """Append an event once there is room. After `finish`, it goes nowhere."""
        while len(self._events) >= self._limit and not self._finished:
            if self._drop_passing():
                break
            self._room.clear()
            await self._room.wait()
        if not self._finished:
            self._events.append(event)
            self._arrived.set()

    def _drop_passing(self) -> bool:
        """Drop the oldest event that newer ones make up for, if there is one."""
        for index, event in enumerate(self._events):
            if isinstance(event, RealtimeTranscription | ModelProgress):
                del self._events[index]
                return True
        return False

    def finish(self, error: Exception | None) -> None:
        """Nothing more comes; `error` is raised after the last event. The first call counts."""
        if not self._finished:
            self._finished = True
            self._error = error
        self._arrived.set()
        self._room.set()

    async def get(self) -> Event:
        """The oldest event. Raises the error of `finish`, or StopAsyncIteration."""
        while not self._events and not self._finished:
            self._arrived.clear()
            await self._arrived.wait()
        if self._events:
            self._room.set()
            return self._events.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration
