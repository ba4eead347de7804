"""What the watchdog says, and what it tries."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.watchdog import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    MOST_HANGING_COPIES,
    Degraded,
    Fault,
    Recovered,
    Reopen,
    Sighting,
    Watchdog,
)


def kinds(effects: list[object]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def test_all_well_is_no_news() -> None:
    dog = Watchdog(20)
    assert dog.look(Sighting(1, "m", text_wait_s=19.9)) == []
    assert dog.faults == frozenset()


def test_speech_without_text_is_told_once_and_once_when_it_is_over() -> None:
    dog = Watchdog(20)
    (effect,) = dog.look(Sighting(100, "m", text_wait_s=20))
    assert isinstance(effect, Degraded)
    assert effect.fault is Fault.NO_TEXT
    assert "audio comes in and no text goes out" in effect.message
    assert dog.look(Sighting(101, "m", text_wait_s=21)) == []
    assert dog.faults == {Fault.NO_TEXT}
    assert dog.look(Sighting(130, "m")) == [Recovered(Fault.NO_TEXT, 30)]
    assert dog.faults == frozenset()


def test_without_a_model_there_is_nothing_to_judge() -> None:
    assert Watchdog(20).look(Sighting(0, None, text_wait_s=99)) == []


@pytest.mark.parametrize(
    ("seen", "fault", "lost"),
    [
        (Sighting(0, "m", engine_lost=True), Fault.ENGINE_LOST, True),
        (Sighting(0, "m", stuck=True), Fault.DECODES_HANG, False),
    ],
)
def test_a_model_that_cannot_decode_is_opened_anew_at_once(
    seen: Sighting, fault: Fault, lost: bool
) -> None:
    dog = Watchdog(20)
    degraded, reopen = dog.look(seen)
    assert isinstance(degraded, Degraded)
    assert degraded.fault is fault
    assert reopen == Reopen("m", lost)
    assert dog.look(seen) == [], "it is under way"


def test_each_try_waits_twice_as_long_up_to_a_bound() -> None:
    dog, now_s = Watchdog(20), 0.0
    tries: list[float] = []
    while len(tries) < 10:
        if Reopen("m", lost=True) in dog.look(Sighting(now_s, "m", engine_lost=True)):
            tries.append(now_s)
            dog.reopened(now_s)
        now_s += 1.0
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert waits[-1] == LONGEST_WAIT_S


def test_after_a_quiet_time_it_begins_anew() -> None:
    dog = Watchdog(20)
    dog.look(Sighting(0, "m", engine_lost=True))
    dog.reopened(0)
    assert kinds(list(dog.look(Sighting(1, "m")))) == ["Recovered"]
    dog.look(Sighting(10, "m"))
    dog.look(Sighting(11, "m", engine_lost=True))
    dog.reopened(11)
    dog.look(Sighting(12, "m", engine_lost=True))
    assert dog.look(Sighting(11 + FIRST_WAIT_S, "m", engine_lost=True)) == [Reopen("m", lost=True)]


def test_copies_that_hang_are_not_piled_up() -> None:
    dog, opened = Watchdog(20), 0
    said = ""
    for now_s in range(0, 5_000, 2):
        hangs = now_s % 400 < 200
        for effect in dog.look(Sighting(now_s, "m", stuck=hangs)):
            if isinstance(effect, Reopen):
                opened += 1
                dog.reopened(now_s)
            elif isinstance(effect, Degraded):
                said = effect.message
    assert opened == MOST_HANGING_COPIES
    assert "restart the server" in said


SIGHTINGS = st.lists(
    st.builds(
        Sighting,
        st.just(0.0),
        st.sampled_from([None, "m"]),
        st.booleans(),
        st.booleans(),
        st.sampled_from([0.0, 30.0]),
    )
)


@given(SIGHTINGS)
def test_what_was_told_is_what_there_is(sightings: list[Sighting]) -> None:
    dog, told = Watchdog(20), set()
    for seen in sightings:
        for effect in dog.look(seen):
            if isinstance(effect, Degraded):
                assert effect.fault not in told
                told.add(effect.fault)
            elif isinstance(effect, Recovered):
                told.remove(effect.fault)
        assert told == dog.faults
