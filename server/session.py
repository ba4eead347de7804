"""A session's recording state: who may send audio, and what a stop waits for. Pure.

A session is a broadcast group with one recording state and any number of audio connections.
Audio in IDLE starts recording by itself. A stop travels on another connection than the audio
that it ends, so FLUSHING still takes audio: each connection is flushed at its own `audio_end`,
after `QUIET_S` without audio, or after `LONGEST_FLUSH_S` at the latest. Then it is disarmed: it
starts nothing until `start_recording`, `audio_config` or a reconnect.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

logger = logging.getLogger(__name__)

QUIET_S = 0.5
LONGEST_FLUSH_S = 5.0

MAX_STOP_ANSWERS = 16
"""Stops answered one by one by the `idle` they wait for; that of further ones is the same event."""


class RecordingState(Enum):
    """Whether a session takes audio."""

    IDLE = "idle"
    RECORDING = "recording"
    FLUSHING = "flushing"


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the session's clients its state. `request_id` is the asker's, if one asked."""

    state: RecordingState
    reason: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """End a connection's open utterances; report `drained` when its finals are out."""

    connection: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Audio came from a disarmed connection and was not taken (said once per disarming)."""

    connection: str
    request_id: str | None = None
    """Of the message that brought it."""


SessionEffect: TypeAlias = Announce | Flush | Refused


@dataclass(slots=True)
class _Source:
    """One audio connection. Its flushes are numbered from 1 and drain in order."""

    armed: bool = True
    refused: bool = False
    quiet_since_s: float = 0.0
    covered_by: int = 0
    """The flush that ends its latest audio; 0 before any."""
    requested: int = 0
    drained: int = 0
    stopping: bool = False
    """It was here at the stop and its last flush for it is not requested yet."""
    reconfigured: bool = False
    """An `audio_config` since the stop: flushed at once, not disarmed."""
    awaited: int = 0
    """The stop is answered after this flush."""

    @property
    def active(self) -> bool:
        """It has sent audio that is not yet drained."""
        return self.drained < self.covered_by

    @property
    def unflushed(self) -> bool:
        """It has sent audio that no flush ends yet."""
        return self.requested < self.covered_by

    @property
    def holds_up_stop(self) -> bool:
        return self.drained < self.awaited or (self.stopping and self.active)

    def arm(self) -> None:
        self.armed = True
        self.refused = False

    def join_stop(self, now_s: float) -> None:
        """A stop came: its audio up to the next flush is the last it takes."""
        if not self.stopping:
            self.quiet_since_s = now_s
        self.stopping = True
        self.reconfigured = False

    def request_flush(self) -> None:
        """A flush is under way; during a stop it is the last before the disarming."""
        self.requested += 1
        if self.stopping:
            self.awaited = self.requested
            self.leave_stop()

    def leave_stop(self) -> None:
        """Nothing more of it belongs to the stop."""
        if self.stopping:
            self.armed = self.reconfigured
        self.stopping = False
        self.reconfigured = False


class SessionCore:
    """Inputs are methods; each returns effects. `wake_at` says when `tick` has work."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.state = RecordingState.IDLE
        self._sources: dict[str, _Source] = {}
        self._stop_requests: list[str | None] = []
        self._latest_flush_s = 0.0
        self._awaits_audio = False
        """`start_recording` was sent and no audio came since: nothing ends that but a stop."""

    def attach(self, connection: str) -> None:
        """An audio connection that may send joined."""
        self._sources[connection] = _Source()

    def detach(self, connection: str) -> list[SessionEffect]:
        """An audio connection left and is drained."""
        self._sources.pop(connection, None)
        if not self._sources:
            self._awaits_audio = False
        return self._settle("disconnected")

    def accepts(self, connection: str) -> bool:
        """Whether audio of this connection would be taken."""
        return self._sources[connection].armed

    def is_active(self, connection: str) -> bool:
        """Whether a connection has sent audio that is not yet drained."""
        return self._sources[connection].active

    def audio(
        self, connection: str, now_s: float, request_id: str | None = None
    ) -> list[SessionEffect]:
        """Audio arrived. Ask `accepts` first for what to do with it."""
        source = self._sources[connection]
        if not source.armed:
            if source.refused:
                return []
            source.refused = True
            return [Refused(connection, request_id)]
        source.covered_by = source.requested + 1
        source.quiet_since_s = now_s
        self._awaits_audio = False
        if self.state is not RecordingState.IDLE:
            return []
        return [self._become(RecordingState.RECORDING, "audio")]

    def configured(self, connection: str) -> None:
        """The connection sent `audio_config`: it may start again."""
        source = self._sources[connection]
        source.arm()
        source.reconfigured = source.stopping

    def start(self, request_id: str | None) -> list[SessionEffect]:
        """`start_recording`. During FLUSHING, what has not been flushed yet simply goes on."""
        self._awaits_audio = True
        for source in self._sources.values():
            source.leave_stop()
            source.arm()
        effects: list[SessionEffect] = []
        if self.state is RecordingState.FLUSHING:
            effects += self._answer_stops(RecordingState.RECORDING, "restarted")
        if self.state is RecordingState.RECORDING:
            return [Announce(self.state, "already_recording", request_id)]
        effects.append(self._become(RecordingState.RECORDING, "started", request_id))
        return effects

    def stop(self, request_id: str | None, now_s: float) -> list[SessionEffect]:
        """`stop_recording`. Its answer is the `idle` that follows every final.

        A further stop during FLUSHING includes who came or was configured since the first.
        """
        if self.state is RecordingState.IDLE:
            for source in self._sources.values():
                source.armed = False
            return [Announce(self.state, "already_idle", request_id)]
        if request_id not in self._stop_requests and len(self._stop_requests) < MAX_STOP_ANSWERS:
            self._stop_requests.append(request_id)
        for source in self._sources.values():
            source.join_stop(now_s)
        if self.state is RecordingState.FLUSHING:
            return []
        self._latest_flush_s = now_s + LONGEST_FLUSH_S
        effects: list[SessionEffect] = [self._become(RecordingState.FLUSHING, "stopping")]
        return effects + self._settle("stopped")

    def ended(self, connection: str) -> list[SessionEffect]:
        """The connection sent `audio_end` (its flush is the caller's, being in its queue)."""
        self._sources[connection].request_flush()
        return []

    def drained(self, connection: str) -> list[SessionEffect]:
        """Every final of the connection's audio up to its oldest undrained flush is out."""
        source = self._sources.get(connection)
        if source is None or source.drained == source.requested:
            return []
        source.drained += 1
        return self._settle("audio_end")

    def tick(self, now_s: float) -> list[SessionEffect]:
        """Time passed: flush what has been quiet long enough since the stop."""
        effects: list[SessionEffect] = []
        for connection, source in self._sources.items():
            if source.stopping and source.unflushed and now_s >= self._due_s(source):
                source.request_flush()
                effects.append(Flush(connection))
        return effects

    @property
    def wake_at(self) -> float | None:
        """When `tick` next has work, on the caller's clock."""
        waiting = (s for s in self._sources.values() if s.stopping and s.unflushed)
        return min(map(self._due_s, waiting), default=None)

    def _due_s(self, source: _Source) -> float:
        """When a stop flushes what a connection sent."""
        if source.reconfigured:
            return source.quiet_since_s
        return min(source.quiet_since_s + QUIET_S, self._latest_flush_s)

    def _settle(self, reason: str) -> list[SessionEffect]:
        """IDLE once nothing is owed: after a stop, or when the last stream ended by itself."""
        sources = self._sources.values()
        if self.state is RecordingState.FLUSHING:
            return [] if any(s.holds_up_stop for s in sources) else self._end_stop()
        if self.state is RecordingState.IDLE or self._awaits_audio:
            return []
        if any(s.active for s in sources):
            return []
        return [self._become(RecordingState.IDLE, reason)]

    def _end_stop(self) -> list[SessionEffect]:
        """Answer the stops; who came or was configured since may be recording already."""
        for source in self._sources.values():
            source.leave_stop()
        effects = self._answer_stops(RecordingState.IDLE, "stopped")
        self._become(RecordingState.IDLE, "stopped")
        if any(source.active for source in self._sources.values()):
            effects.append(self._become(RecordingState.RECORDING, "audio"))
        return effects

    def _answer_stops(self, state: RecordingState, reason: str) -> list[SessionEffect]:
        answers: list[SessionEffect] = [
            Announce(state, reason, request_id) for request_id in self._stop_requests
        ]
        self._stop_requests.clear()
        return answers

    def _become(
        self, state: RecordingState, reason: str, request_id: str | None = None
    ) -> Announce:
        logger.info(
            "session %s: %s -> %s (%s)",
            self.session_id,
            self.state.value,
            state.value,
            reason,
        )
        self.state = state
        return Announce(state, reason, request_id)
