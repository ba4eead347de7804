from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.load_machine import Answer, Begin, LoadEffect, LoadMachine, LoadState, Verdict


def test_a_load_begins_warms_and_answers() -> None:
    machine = LoadMachine()
    assert machine.request("a", 1) == [Begin("a")]
    assert machine.loading == "a"
    states = [machine.state]
    machine.warming()
    states.append(machine.state)
    assert machine.finished() == [Answer((1,), Verdict.CURRENT)]
    states.append(machine.state)
    assert states == [LoadState.LOADING, LoadState.WARMING, LoadState.IDLE]
    assert machine.request("a", 2) == [Answer((2,), Verdict.CURRENT)]


def test_a_second_request_for_the_same_model_joins() -> None:
    machine = LoadMachine()
    machine.request("a", 1)
    assert machine.request("a", 2) == []
    assert machine.finished() == [Answer((1, 2), Verdict.CURRENT)]


def test_another_model_waits_and_replaces_the_one_that_waited() -> None:
    machine = LoadMachine()
    machine.request("a", 1)
    assert machine.request("b", 2) == []
    assert machine.request("b", 3) == []
    assert machine.request("c", 4) == [Answer((2, 3), Verdict.SUPERSEDED)]
    assert machine.finished() == [Answer((1,), Verdict.CURRENT), Begin("c")]
    assert machine.finished() == [Answer((4,), Verdict.CURRENT)]


def test_wanting_the_model_under_way_again_drops_the_one_that_waits() -> None:
    machine = LoadMachine()
    machine.request("a", 1)
    machine.request("b", 2)
    assert machine.request("a", 3) == [Answer((2,), Verdict.SUPERSEDED)]
    assert machine.finished() == [Answer((1, 3), Verdict.CURRENT)]


def test_a_failure_says_why_and_the_next_load_goes_on() -> None:
    machine = LoadMachine()
    machine.request("a", 1)
    machine.request("b", 2)
    error = RuntimeError("broken")
    assert machine.failed(error) == [Answer((1,), Verdict.FAILED, error), Begin("b")]


@given(st.lists(st.sampled_from(["a", "b", "c", "finished", "failed"]), max_size=40))
def test_every_request_is_answered_exactly_once(steps: list[str]) -> None:
    machine = LoadMachine()
    answered: list[int] = []
    asked = 0

    def note(effects: list[LoadEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Answer):
                answered.extend(effect.tokens)

    for step in steps:
        if step in ("finished", "failed"):
            if machine.loading is not None:
                note(machine.finished() if step == "finished" else machine.failed(OSError()))
        else:
            asked += 1
            note(machine.request(step, asked))
    while machine.loading is not None:
        note(machine.finished())
    assert sorted(answered) == list(range(1, asked + 1))
