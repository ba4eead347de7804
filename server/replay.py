"""What a session said lately, for who comes back and for who comes late. Pure.

Events are numbered from 1. A partial gives way to the next one of its utterance and to its final,
so what is kept is what somebody who was away needs to read.
"""

from __future__ import annotations

from collections import OrderedDict
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

MAX_EVENTS: Final = 1_024
MAX_CHARS: Final = 524_288

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

_Utterance: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it was said, to everybody or to one connection."""

    event_id: int
    at_s: float
    event: SessionEvent
    text: str
    to: str | None


@dataclass(frozen=True, slots=True)
class Missed:
    """What a connection has not heard. `complete` is False where older events are forgotten."""

    told: tuple[Told, ...]
    complete: bool


class ReplayRing:
    """The events of the last `keep_s` seconds.

    Bound: 1,024 events, 512 Ki characters. Overflow: the oldest are forgotten, and who asks for
    them is told so.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._told: OrderedDict[int, Told] = OrderedDict()
        self._unsettled: dict[_Utterance, list[int]] = {}
        """The kept partials and provisional finals of each utterance that has no final yet."""
        self._chars = 0
        self._forgotten = 0
        """The newest event that was forgotten for its age or the bound."""
        self.last_id = 0

    def note(self, event: SessionEvent, now_s: float, to: str | None = None) -> Told:
        """Number an event and keep it."""
        self.last_id += 1
        numbered = msgspec.structs.replace(event, event_id=self.last_id)
        told = Told(self.last_id, now_s, numbered, encode(numbered), to)
        self._supersede(numbered)
        self._told[told.event_id] = told
        self._chars += len(told.text)
        self.forget(now_s)
        return told

    def forget(self, now_s: float) -> None:
        """Let go of what is too old or too much."""
        while self._told:
            oldest = next(iter(self._told.values()))
            fits = len(self._told) <= MAX_EVENTS and self._chars <= MAX_CHARS
            if fits and oldest.at_s >= now_s - self._keep_s:
                return
            self._drop(oldest.event_id)
            self._forgotten = oldest.event_id

    def since(self, last_event_id: int, connection: str, now_s: float) -> Missed:
        """What was said to a connection after the event that it heard last."""
        self.forget(now_s)
        told = tuple(
            t
            for t in self._told.values()
            if t.event_id > last_event_id and t.to in (None, connection)
        )
        return Missed(told, self._forgotten <= last_event_id <= self.last_id)

    def latest_texts(
        self, now_s: float
    ) -> tuple[list[FinalTranscription], list[RealtimeTranscription]]:
        """The finals that everybody got, and the newest partial of each open utterance."""
        self.forget(now_s)
        events = [told.event for told in self._told.values()]
        finals = [e for e in events if isinstance(e, FinalTranscription) and e.provisional is UNSET]
        return finals, [e for e in events if isinstance(e, RealtimeTranscription)]

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
        kept = self._unsettled.get(utterance, [])
        for event_id in tuple(kept):
            told = self._told.get(event_id)
            if told is None or isinstance(told.event, RealtimeTranscription):
                kept.remove(event_id)
                self._drop(event_id)

    def _drop(self, event_id: int) -> None:
        told = self._told.pop(event_id, None)
        if told is None:
            return
        self._chars -= len(told.text)
        utterance = _utterance_of(told.event)
        if utterance is not None and event_id in self._unsettled.get(utterance, ()):
            self._unsettled[utterance].remove(event_id)
            if not self._unsettled[utterance]:
                del self._unsettled[utterance]


def _utterance_of(event: SessionEvent) -> _Utterance | None:
    """The utterance that an event shows or concludes, None for one that does neither."""
    if isinstance(event, RealtimeTranscription | FinalTranscription):
        return event.stream_id, event.utterance_id
    if isinstance(event, ErrorEvent) and isinstance(event.stream_id, str):
        return None if event.utterance_id is UNSET else (event.stream_id, event.utterance_id)
    return None
