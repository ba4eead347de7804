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


SessionEffect: TypeAlias = Announce | Flush | Refused


@dataclass(slots=True)
class _Source:
    armed: bool = True
    active: bool = False
    """It has sent audio that is not yet drained."""
    flushing: bool = False
    """A flush is under way; more audio makes the connection active anew."""
    refused: bool = False
    quiet_since_s: float = 0.0


class SessionCore:
    """Inputs are methods; each returns effects. `wake_at` says when `tick` has work."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.state = RecordingState.IDLE
        self._sources: dict[str, _Source] = {}
        self._stop_requests: list[str | None] = []
        self._stopped_s = 0.0

    def attach(self, connection: str) -> None:
        """An audio connection that may send joined."""
        self._sources[connection] = _Source()

    def detach(self, connection: str) -> list[SessionEffect]:
        """An audio connection left and is drained."""
        self._sources.pop(connection, None)
        return self._settle("disconnected")

    def accepts(self, connection: str) -> bool:
        """Whether audio of this connection would be taken."""
        source = self._sources[connection]
        return source.armed

    def is_active(self, connection: str) -> bool:
        """Whether a connection has sent audio that is not yet drained."""
        return self._sources[connection].active

    def audio(self, connection: str, now_s: float) -> list[SessionEffect]:
        """Audio arrived. Ask `accepts` first for what to do with it."""
        source = self._sources[connection]
        if not source.armed:
            if source.refused:
                return []
            source.refused = True
            return [Refused(connection)]
        source.active = True
        source.flushing = False
        source.quiet_since_s = now_s
        if self.state is not RecordingState.IDLE:
            return []
        return [self._become(RecordingState.RECORDING, "audio")]

    def configured(self, connection: str) -> None:
        """The connection sent `audio_config`: it may start again."""
        self._arm(self._sources[connection])

    def start(self, request_id: str | None) -> list[SessionEffect]:
        """`start_recording`. During FLUSHING, what has not been flushed yet simply goes on."""
        for source in self._sources.values():
            self._arm(source)
        effects: list[SessionEffect] = []
        if self.state is RecordingState.FLUSHING:
            effects += self._answer_stops(RecordingState.RECORDING, "restarted")
        if self.state is RecordingState.RECORDING:
            return [Announce(self.state, "already_recording", request_id)]
        effects.append(self._become(RecordingState.RECORDING, "started", request_id))
        return effects

    def stop(self, request_id: str | None, now_s: float) -> list[SessionEffect]:
        """`stop_recording`. Its answer is the `idle` that follows every final."""
        if self.state is RecordingState.IDLE:
            for source in self._sources.values():
                source.armed = False
            return [Announce(self.state, "already_idle", request_id)]
        self._stop_requests.append(request_id)
        if self.state is RecordingState.FLUSHING:
            return []
        self._stopped_s = now_s
        for source in self._sources.values():
            source.quiet_since_s = now_s
        effects: list[SessionEffect] = [self._become(RecordingState.FLUSHING, "stopping")]
        return effects + self._settle("stopped")

    def ended(self, connection: str) -> list[SessionEffect]:
        """The connection sent `audio_end` (its flush is the caller's, being in its queue)."""
        self._sources[connection].flushing = True
        return []

    def drained(self, connection: str) -> list[SessionEffect]:
        """Every final of the connection's audio up to its flush is out."""
        source = self._sources.get(connection)
        if source is None or not source.flushing:
            return []
        source.flushing = False
        source.active = False
        if self.state is RecordingState.FLUSHING:
            source.armed = False
        return self._settle("audio_end")

    def tick(self, now_s: float) -> list[SessionEffect]:
        """Time passed: flush what has been quiet long enough since the stop."""
        if self.state is not RecordingState.FLUSHING:
            return []
        effects: list[SessionEffect] = []
        overdue = now_s >= self._stopped_s + LONGEST_FLUSH_S
        for connection, source in self._sources.items():
            waits = source.active and not source.flushing
            if waits and (overdue or now_s >= source.quiet_since_s + QUIET_S):
                source.flushing = True
                source.armed = False
                effects.append(Flush(connection))
        return effects

    @property
    def wake_at(self) -> float | None:
        """When `tick` next has work, on the caller's clock."""
        if self.state is not RecordingState.FLUSHING:
            return None
        waiting = [
            min(source.quiet_since_s + QUIET_S, self._stopped_s + LONGEST_FLUSH_S)
            for source in self._sources.values()
            if source.active and not source.flushing
        ]
        return min(waiting, default=None)

    def _settle(self, reason: str) -> list[SessionEffect]:
        """IDLE once nothing is active: after a stop, or when the last stream ended by itself."""
        if self.state is RecordingState.IDLE:
            return []
        if any(source.active for source in self._sources.values()):
            return []
        if self.state is RecordingState.FLUSHING:
            for source in self._sources.values():
                source.armed = False
            effects = self._answer_stops(RecordingState.IDLE, "stopped")
            self._become(RecordingState.IDLE, "stopped")
            return effects
        return [self._become(RecordingState.IDLE, reason)]

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

    @staticmethod
    def _arm(source: _Source) -> None:
        source.armed = True
        source.refused = False
