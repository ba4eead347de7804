"""Transitions of a session's recording state, written out one by one."""

from __future__ import annotations

import pytest

from server.session import (
    LONGEST_FLUSH_S,
    QUIET_S,
    Announce,
    Flush,
    RecordingState,
    Refused,
    SessionCore,
)

IDLE, RECORDING, FLUSHING = RecordingState.IDLE, RecordingState.RECORDING, RecordingState.FLUSHING


def core_with(*connections: str) -> SessionCore:
    core = SessionCore("s")
    for connection in connections:
        core.attach(connection)
    return core


def core_in(state: RecordingState) -> SessionCore:
    """A session with connection `a` that sent audio at 0 s, and was stopped then if FLUSHING."""
    core = core_with("a")
    if state is not IDLE:
        core.audio("a", 0.0)
    if state is FLUSHING:
        core.stop("r0", 0.0)
    assert core.state is state
    return core


def test_a_new_session_is_idle_and_asks_for_no_timer() -> None:
    core = core_with("a")
    assert (core.state, core.wake_at, core.tick(9.0)) == (IDLE, None, [])
    assert core.accepts("a")
    assert not core.is_active("a")


def test_audio_starts_recording_by_itself_and_says_so_once() -> None:
    core = core_with("a")
    assert core.audio("a", 1.0) == [Announce(RECORDING, "audio")]
    assert core.audio("a", 1.1) == []
    assert core.is_active("a")


@pytest.mark.parametrize(
    ("state", "after", "answers"),
    [
        (IDLE, RECORDING, [Announce(RECORDING, "started", "r1")]),
        (RECORDING, RECORDING, [Announce(RECORDING, "already_recording", "r1")]),
        (
            FLUSHING,
            RECORDING,
            [Announce(RECORDING, "restarted", "r0"), Announce(RECORDING, "started", "r1")],
        ),
    ],
)
def test_start(state: RecordingState, after: RecordingState, answers: list[Announce]) -> None:
    core = core_in(state)
    assert core.start("r1") == answers
    assert core.state is after


@pytest.mark.parametrize(
    ("state", "after", "answers"),
    [
        (IDLE, IDLE, [Announce(IDLE, "already_idle", "r1")]),
        (RECORDING, FLUSHING, [Announce(FLUSHING, "stopping")]),
        (FLUSHING, FLUSHING, []),
    ],
)
def test_stop(state: RecordingState, after: RecordingState, answers: list[Announce]) -> None:
    core = core_in(state)
    assert core.stop("r1", 0.1) == answers
    assert core.state is after


def test_a_stop_is_answered_by_the_idle_after_the_last_final() -> None:
    core = core_in(RECORDING)
    core.stop("r1", 1.0)
    core.stop("r2", 1.1)
    assert core.tick(1.0 + QUIET_S) == [Flush("a")]
    assert core.drained("a") == [Announce(IDLE, "stopped", "r1"), Announce(IDLE, "stopped", "r2")]
    assert core.state is IDLE


def test_a_stop_with_nothing_to_finish_is_answered_at_once() -> None:
    core = core_with("a")
    core.start(None)
    assert core.stop("r1", 1.0) == [
        Announce(FLUSHING, "stopping"),
        Announce(IDLE, "stopped", "r1"),
    ]


def test_flushing_takes_audio_until_quiet() -> None:
    core = core_in(FLUSHING)
    assert core.wake_at == QUIET_S
    core.audio("a", 0.4)
    assert core.accepts("a")
    assert core.wake_at == pytest.approx(0.4 + QUIET_S)
    assert core.tick(QUIET_S) == []
    assert core.tick(0.4 + QUIET_S) == [Flush("a")]
    assert not core.accepts("a")
    assert core.tick(9.0) == []


def test_a_client_that_never_falls_quiet_is_flushed_at_the_latest_moment() -> None:
    core = core_in(FLUSHING)
    for step in range(1, 60):
        core.audio("a", min(step * 0.1, LONGEST_FLUSH_S))
    assert core.wake_at == LONGEST_FLUSH_S
    assert core.tick(LONGEST_FLUSH_S - 0.01) == []
    assert core.tick(LONGEST_FLUSH_S) == [Flush("a")]


def test_further_stops_do_not_put_off_the_flush() -> None:
    core = core_in(FLUSHING)
    core.stop("r1", 0.4)
    assert core.wake_at == QUIET_S


def test_audio_end_during_a_stop_ends_the_taking_of_audio() -> None:
    core = core_in(FLUSHING)
    core.ended("a")
    assert not core.accepts("a")
    assert core.tick(9.0) == []
    assert core.drained("a") == [Announce(IDLE, "stopped", "r0")]


def test_each_connection_is_flushed_in_its_own_time() -> None:
    core = core_with("a", "b")
    core.audio("a", 0.0)
    core.audio("b", 0.0)
    core.stop(None, 0.0)
    core.audio("b", 0.3)
    assert core.tick(QUIET_S) == [Flush("a")]
    assert core.drained("a") == []
    assert core.tick(0.3 + QUIET_S) == [Flush("b")]
    assert core.drained("b") == [Announce(IDLE, "stopped")]


def test_after_a_stop_audio_is_refused_and_said_once() -> None:
    core = core_in(FLUSHING)
    core.tick(QUIET_S)
    core.drained("a")
    assert not core.accepts("a")
    assert core.audio("a", 2.0) == [Refused("a")]
    assert core.audio("a", 2.1) == []
    assert core.state is IDLE


def test_a_stop_in_idle_disarms_too() -> None:
    core = core_in(IDLE)
    core.stop(None, 0.0)
    assert core.audio("a", 0.1) == [Refused("a")]


@pytest.mark.parametrize("way", ["start", "configured", "reconnect"])
def test_what_arms_a_connection_again(way: str) -> None:
    core = core_in(IDLE)
    core.stop(None, 0.0)
    core.audio("a", 0.1)
    if way == "start":
        core.start(None)
    elif way == "configured":
        core.configured("a")
    else:
        core.detach("a")
        core.attach("a")
    assert core.accepts("a")
    core.stop(None, 1.0)
    assert core.audio("a", 1.1) == [Refused("a")], "a new disarming is said anew"


def test_audio_end_makes_a_session_idle_when_no_stream_is_left() -> None:
    core = core_with("a", "b")
    core.audio("a", 0.0)
    core.audio("b", 0.0)
    core.ended("a")
    assert core.drained("a") == []
    core.ended("b")
    assert core.drained("b") == [Announce(IDLE, "audio_end")]
    assert core.accepts("a"), "audio_end disarms nobody"


def test_pipelined_audio_ends_are_idle_after_the_last_only() -> None:
    core = core_in(RECORDING)
    core.ended("a")
    core.audio("a", 0.1)
    core.ended("a")
    assert core.drained("a") == []
    assert core.is_active("a")
    assert core.drained("a") == [Announce(IDLE, "audio_end")]


def test_audio_after_audio_end_goes_on_recording() -> None:
    core = core_in(RECORDING)
    core.ended("a")
    core.audio("a", 0.1)
    assert core.drained("a") == []
    assert core.state is RECORDING


def test_audio_end_without_audio_changes_nothing() -> None:
    core = core_with("a", "b")
    core.ended("a")
    assert core.drained("a") == []
    core.audio("b", 0.0)
    core.ended("a")
    assert core.drained("a") == []
    assert core.state is RECORDING


def test_a_drained_nobody_asked_for_is_ignored() -> None:
    core = core_in(RECORDING)
    assert core.drained("a") == []
    assert core.drained("gone") == []
    assert core.is_active("a")


def test_a_client_that_leaves_mid_word_makes_the_session_idle() -> None:
    assert core_in(RECORDING).detach("a") == [Announce(IDLE, "disconnected")]
    assert core_in(FLUSHING).detach("a") == [Announce(IDLE, "stopped", "r0")]


def test_a_client_that_leaves_during_its_flush_answers_the_stop_once() -> None:
    core = core_in(FLUSHING)
    core.tick(QUIET_S)
    assert core.detach("a") == [Announce(IDLE, "stopped", "r0")]
    assert core.drained("a") == []
    assert core.detach("a") == []


def test_a_started_session_waits_for_audio_whoever_leaves_or_ends() -> None:
    core = core_with("a", "b", "c")
    core.start(None)
    assert core.detach("b") == []
    core.ended("c")
    assert core.drained("c") == []
    assert core.state is RECORDING
    core.detach("c")
    assert core.detach("a") == [Announce(IDLE, "disconnected")], "nobody is left to send"


def test_a_restart_is_not_undone_by_the_flush_of_the_stop_before() -> None:
    core = core_in(FLUSHING)
    assert core.tick(QUIET_S) == [Flush("a")]
    core.start("r1")
    assert core.drained("a") == []
    assert core.state is RECORDING
    assert core.accepts("a")


def test_a_restart_before_the_flush_lets_the_speaker_go_on() -> None:
    core = core_in(FLUSHING)
    core.start("r1")
    assert (core.wake_at, core.tick(9.0)) == (None, [])
    assert core.is_active("a")


def test_audio_config_during_a_stop_flushes_at_once_and_stays_armed() -> None:
    core = core_in(FLUSHING)
    core.configured("a")
    core.audio("a", 0.1)
    assert core.wake_at is not None
    assert core.wake_at <= 0.1
    assert core.tick(0.1) == [Flush("a")]
    core.audio("a", 0.2)
    assert core.tick(9.0) == [], "what follows belongs to a new recording"
    assert core.drained("a") == [Announce(IDLE, "stopped", "r0"), Announce(RECORDING, "audio")]
    assert core.accepts("a")


def test_a_connection_that_comes_during_a_stop_is_not_disarmed_by_it() -> None:
    core = core_in(FLUSHING)
    core.attach("b")
    core.audio("b", 0.1)
    assert core.tick(9.0) == [Flush("a")]
    assert core.drained("a") == [Announce(IDLE, "stopped", "r0"), Announce(RECORDING, "audio")]
    assert core.is_active("b")


def test_a_second_stop_includes_who_came_since_the_first() -> None:
    core = core_in(FLUSHING)
    core.attach("b")
    core.audio("b", 0.1)
    core.stop("r1", 0.2)
    assert core.tick(QUIET_S) == [Flush("a")]
    assert core.drained("a") == []
    assert core.tick(0.2 + QUIET_S) == [Flush("b")]
    assert core.drained("b") == [Announce(IDLE, "stopped", "r0"), Announce(IDLE, "stopped", "r1")]
    assert not core.accepts("b")


def test_audio_that_comes_after_an_earlier_audio_end_is_flushed_by_the_stop() -> None:
    core = core_in(RECORDING)
    core.ended("a")
    core.stop("r1", 0.0)
    core.audio("a", 0.1)
    assert core.drained("a") == []
    assert core.tick(0.1 + QUIET_S) == [Flush("a")]
    assert core.drained("a") == [Announce(IDLE, "stopped", "r1")]
