"""A session's core against a model of its connections' queues, in any order of events."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.session import (
    LONGEST_FLUSH_S,
    QUIET_S,
    Announce,
    Flush,
    RecordingState,
    Refused,
    SessionCore,
    SessionEffect,
)

CONNECTIONS = ("a", "b", "c")


@dataclass
class Wire:
    """One connection as its client and its actor know it."""

    queue: list[str] = field(default_factory=list)
    """`audio` taken and `flush` asked for, oldest first, not yet drained."""
    taken: int = 0
    drained: int = 0
    refusal_said: bool = False
    stopped: bool = False
    """Here at a stop, and not started, configured or reconnected since."""

    @property
    def unflushed(self) -> bool:
        return "audio" in self.queue and self.queue[-1] == "audio"


@dataclass
class Stop:
    """A stop's answer must follow the drain of all audio taken before it."""

    owed: list[tuple[Wire, int]]


class SessionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.core = SessionCore("s")
        self.now_s = 0.0
        self.wires: dict[str, Wire] = {}
        self.stops: dict[str, Stop] = {}
        self.starts: set[str] = set()
        self.requests = 0
        self.announced = RecordingState.IDLE
        self.flushing_since_s = 0.0

    # -- what happens -------------------------------------------------------------------------

    @rule(name=st.sampled_from(CONNECTIONS))
    def attach_or_leave(self, name: str) -> None:
        if name not in self.wires:
            self.wires[name] = Wire()
            self.core.attach(name)
            return
        wire = self.wires.pop(name)
        wire.drained = wire.taken  # its actor drains it before it leaves
        self.take(self.core.detach(name))

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def audio(self, data: st.DataObject) -> None:
        name = self.pick(data)
        wire = self.wires[name]
        accepted = self.core.accepts(name)
        effects = self.core.audio(name, self.now_s)
        if accepted:
            wire.queue.append("audio")
            wire.taken += 1
            assert Refused(name) not in effects
        else:
            assert effects == ([] if wire.refusal_said else [Refused(name)])
            wire.refusal_said = True
        self.take(effects)

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def audio_end(self, data: st.DataObject) -> None:
        name = self.pick(data)
        self.wires[name].queue.append("flush")
        self.take(self.core.ended(name))

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def drain_oldest_flush(self, data: st.DataObject) -> None:
        self.drain(self.pick(data))

    @precondition(lambda self: self.wires)
    @rule(data=st.data())
    def audio_config(self, data: st.DataObject) -> None:
        name = self.pick(data)
        self.core.configured(name)
        self.wires[name].stopped = False
        assert self.core.accepts(name)

    @rule()
    def start(self) -> None:
        request_id = self.request_id()
        self.starts.add(request_id)
        for wire in self.wires.values():
            wire.stopped = False
        self.take(self.core.start(request_id))
        assert self.core.state is RecordingState.RECORDING
        assert request_id not in self.starts, "a start is answered at once"
        assert not self.stops, "a start answers the stops before it"
        assert all(self.core.accepts(name) for name in self.wires)

    @rule()
    def stop(self) -> None:
        request_id = self.request_id()
        self.stops[request_id] = Stop([(wire, wire.taken) for wire in self.wires.values()])
        if self.core.state is not RecordingState.FLUSHING:
            self.flushing_since_s = self.now_s
        for wire in self.wires.values():
            wire.stopped = True
        self.take(self.core.stop(request_id, self.now_s))
        assert (request_id in self.stops) == (self.core.state is RecordingState.FLUSHING)

    @rule(seconds=st.sampled_from([0.01, 0.2, QUIET_S, LONGEST_FLUSH_S]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.tick()

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def idle_owes_nothing_and_recording_is_not_forgotten(self) -> None:
        undrained = any("audio" in wire.queue for wire in self.wires.values())
        if self.core.state is RecordingState.IDLE:
            assert not undrained
        for name, wire in self.wires.items():
            assert self.core.is_active(name) == ("audio" in wire.queue)
        assert self.announced is self.core.state, "clients know the state"

    @invariant()
    def stops_are_open_only_while_flushing(self) -> None:
        assert bool(self.stops) == (self.core.state is RecordingState.FLUSHING)

    @invariant()
    def who_was_stopped_starts_nothing(self) -> None:
        for name, wire in self.wires.items():
            if self.core.accepts(name):
                wire.refusal_said = False
            if self.core.state is not RecordingState.FLUSHING:
                assert self.core.accepts(name) is not wire.stopped

    @invariant()
    def the_timer_is_bounded(self) -> None:
        wake_at = self.core.wake_at
        if wake_at is not None:
            assert self.core.state is RecordingState.FLUSHING
            assert wake_at <= max(self.now_s, self.flushing_since_s + LONGEST_FLUSH_S)

    def teardown(self) -> None:
        """Flushing always ends: time passes, and every flush asked for is drained."""
        self.now_s += LONGEST_FLUSH_S
        self.tick()
        for name, wire in self.wires.items():
            while "flush" in wire.queue:
                self.drain(name)
        assert self.core.state is not RecordingState.FLUSHING
        assert not self.stops

    # -- helpers ------------------------------------------------------------------------------

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.wires)))

    def request_id(self) -> str:
        self.requests += 1
        return f"r{self.requests}"

    def tick(self) -> None:
        self.take(self.core.tick(self.now_s))
        wake_at = self.core.wake_at
        assert wake_at is None or wake_at > self.now_s, "a tick does all that is due"
        assert self.core.tick(self.now_s) == []

    def drain(self, name: str) -> None:
        wire = self.wires[name]
        if "flush" in wire.queue:
            end = wire.queue.index("flush")
            wire.drained += end
            del wire.queue[: end + 1]
        self.take(self.core.drained(name))

    def take(self, effects: list[SessionEffect]) -> None:
        for effect in effects:
            match effect:
                case Announce():
                    self.hear(effect)
                case Flush():
                    wire = self.wires[effect.connection]
                    assert wire.unflushed, "once per quiet, and never for nothing"
                    wire.queue.append("flush")
                case Refused():
                    assert not self.core.accepts(effect.connection)

    def hear(self, announce: Announce) -> None:
        self.announced = announce.state
        request_id = announce.request_id
        if request_id is None:
            return
        if request_id in self.starts:
            self.starts.remove(request_id)
            return
        stop = self.stops.pop(request_id)  # a KeyError is a second answer
        if announce.state is RecordingState.IDLE:
            for wire, taken in stop.owed:
                assert wire.drained >= taken


TestSessionMachine = SessionMachine.TestCase
TestSessionMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
