"""What a session said lately, for who comes back and for who comes late. Pure.

Events are numbered from 1. A partial gives way to the next one of its utterance and to its final,
so what is kept is what somebody who was away needs to read. What is final has room of its own: no
chatter takes it, and no connection takes another's share.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET

from server.flow_messages import Gap
from server.messages import (
    AudioConfigured,
    AudioEndAck,
    ConfigUpdated,
    ErrorEvent,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    RecordingStateEvent,
    SpeechEndedEvent,
    SpeechStartedEvent,
)
from server.protocol import encode
from server.shelf import Room, Shelf

LASTING: Final = Room(events=1_024, chars=393_216)
PASSING: Final = Room(events=512, chars=131_072)

MAX_LOSERS: Final = 1_024
"""Connections of which it is known apart which of what was said to them alone is forgotten."""

SessionEvent: TypeAlias = (
    RecordingStateEvent
    | RealtimeTranscription
    | FinalTranscription
    | SpeechStartedEvent
    | SpeechEndedEvent
    | AudioConfigured
    | AudioEndAck
    | ConfigUpdated
    | Notice
    | ErrorEvent
    | Gap
)
"""Events that are numbered and can be said again."""

_PASSING_EVENTS: Final = (
    RealtimeTranscription,
    SpeechStartedEvent,
    SpeechEndedEvent,
    Notice,
    ErrorEvent,
)

_MAKESHIFT: Final = (RealtimeTranscription, SpeechStartedEvent, SpeechEndedEvent)
"""Events that a final or the next of their kind makes up for: to forget them is no loss."""

_Utterance: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it was said, to everybody or to one connection.

    `owner` is the connection that it is about, whose share of the room it takes.
    """

    event_id: int
    at_s: float
    event: SessionEvent
    text: str
    to: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class Missed:
    """What a connection has not heard. `complete` is False where older events are forgotten."""

    told: tuple[Told, ...]
    complete: bool


class ReplayRing:
    """The events of the last `keep_s` seconds.

    Bound: `passing` for partials, provisional finals, beginnings and ends of speech, notices and
    errors, `lasting` for all else: finals, gaps, answers, states. Overflow of either: the oldest of
    the connection that has the most there are forgotten, and who asks for them is told so.
    """

    def __init__(self, keep_s: float, lasting: Room = LASTING, passing: Room = PASSING) -> None:
        self._keep_s = keep_s
        self._lasting = Shelf[Told](lasting)
        self._passing = Shelf[Told](passing)
        self._unsettled: dict[_Utterance, list[int]] = {}
        """The kept partials and provisional finals of each utterance that has no final yet."""
        self._forgotten = 0
        """The newest event that was forgotten for its age or the bound, and is a loss."""
        self._forgotten_of: dict[str, int] = {}
        """The same of what was said to one connection."""
        self.last_id = 0

    def note(self, event: SessionEvent, now_s: float, to: str | None = None) -> Told:
        """Number an event and keep it."""
        self.last_id += 1
        numbered = msgspec.structs.replace(event, event_id=self.last_id)
        told = Told(self.last_id, now_s, numbered, encode(numbered), to, _owner_of(event, to))
        self._supersede(numbered)
        self._note_forgotten((self._lasting if _lasts(event) else self._passing).put(told))
        self.forget(now_s)
        return told

    def forget(self, now_s: float) -> None:
        """Let go of what is too old."""
        for shelf in (self._lasting, self._passing):
            self._note_forgotten(shelf.pop_before(now_s - self._keep_s))

    def since(self, last_event_id: int, connection: str, now_s: float) -> Missed:
        """What was said to a connection after the event that it heard last."""
        self.forget(now_s)
        kept = heapq.merge(self._lasting, self._passing, key=lambda t: t.event_id)
        told = tuple(t for t in kept if t.event_id > last_event_id and t.to in (None, connection))
        forgotten = max(self._forgotten, self._forgotten_of.get(connection, 0))
        return Missed(told, forgotten <= last_event_id <= self.last_id)

    def latest_texts(
        self, now_s: float
    ) -> tuple[list[FinalTranscription], list[RealtimeTranscription]]:
        """The finals that everybody got, and the newest partial of each open utterance."""
        self.forget(now_s)
        lasting = [told.event for told in self._lasting]
        passing = [told.event for told in self._passing]
        return (
            [e for e in lasting if isinstance(e, FinalTranscription) and e.provisional is UNSET],
            [e for e in passing if isinstance(e, RealtimeTranscription)],
        )

    def _note_forgotten(self, gone: Iterable[Told]) -> None:
        for told in gone:
            self._settle(told)
            if isinstance(told.event, _MAKESHIFT):
                continue
            if told.to is None:
                self._forgotten = max(self._forgotten, told.event_id)
            else:
                before = self._forgotten_of.get(told.to, 0)
                self._forgotten_of[told.to] = max(before, told.event_id)
        if len(self._forgotten_of) > MAX_LOSERS:
            self._forgotten = max(self._forgotten, *self._forgotten_of.values())
            self._forgotten_of.clear()

    def _supersede(self, event: SessionEvent) -> None:
        utterance = _utterance_of(event)
        if utterance is None:
            return
        if isinstance(event, RealtimeTranscription):
            self._forget_partials(utterance)
            self._unsettled.setdefault(utterance, []).append(self.last_id)
        elif isinstance(event, FinalTranscription) and event.provisional is True:
            self._unsettled.setdefault(utterance, []).append(self.last_id)
        else:
            for event_id in self._unsettled.pop(utterance, ()):
                self._drop(event_id)

    def _forget_partials(self, utterance: _Utterance) -> None:
        for event_id in tuple(self._unsettled.get(utterance, ())):
            told = self._passing.get(event_id)
            if told is not None and isinstance(told.event, RealtimeTranscription):
                self._drop(event_id)

    def _drop(self, event_id: int) -> None:
        told = self._passing.pop(event_id)
        if told is not None:
            self._settle(told)

    def _settle(self, told: Told) -> None:
        """An event is not kept any more: no later one need take its place."""
        utterance = _utterance_of(told.event)
        if utterance is not None and told.event_id in self._unsettled.get(utterance, ()):
            self._unsettled[utterance].remove(told.event_id)
            if not self._unsettled[utterance]:
                del self._unsettled[utterance]


def _lasts(event: SessionEvent) -> bool:
    """Whether nothing that follows, or stands beside it, makes up for an event."""
    if isinstance(event, FinalTranscription):
        return event.provisional is not True
    return not isinstance(event, _PASSING_EVENTS)


def _owner_of(event: SessionEvent, to: str | None) -> str:
    """The connection that an event is about; empty where it is about the session."""
    stream_id = getattr(event, "stream_id", UNSET)
    if to is None and isinstance(stream_id, str):
        return stream_id.rpartition(".")[0]
    return to or ""


def _utterance_of(event: SessionEvent) -> _Utterance | None:
    """The utterance that an event shows or concludes, None for one that does neither."""
    if isinstance(event, RealtimeTranscription | FinalTranscription):
        return event.stream_id, event.utterance_id
    if isinstance(event, ErrorEvent) and isinstance(event.stream_id, str):
        return None if event.utterance_id is UNSET else (event.stream_id, event.utterance_id)
    return None
