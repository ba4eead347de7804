from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.load_machine import (
    Answer,
    Begin,
    Fetch,
    LoadEffect,
    LoadMachine,
    LoadState,
    StopFetch,
    Verdict,
)


def test_a_load_begins_warms_and_answers() -> None:
    machine = LoadMachine()
    assert machine.request("a", 1, ready=True) == [Begin("a")]
    assert (machine.loading, machine.askers("a"), machine.askers("b")) == ("a", (1,), ())
    states = [machine.state]
    machine.warming()
    states.append(machine.state)
    assert machine.finished() == [Answer((1,), Verdict.CURRENT)]
    states.append(machine.state)
    assert states == [LoadState.LOADING, LoadState.WARMING, LoadState.IDLE]
    assert machine.request("a", 2, ready=False) == [Answer((2,), Verdict.CURRENT)]


def test_a_second_request_for_the_same_model_joins() -> None:
    machine = LoadMachine()
    machine.request("a", 1, ready=True)
    assert machine.request("a", 2, ready=True) == []
    assert machine.finished() == [Answer((1, 2), Verdict.CURRENT)]


def test_another_model_waits_and_replaces_the_one_that_waited() -> None:
    machine = LoadMachine()
    machine.request("a", 1, ready=True)
    assert machine.request("b", 2, ready=True) == []
    assert machine.request("b", 3, ready=True) == []
    assert machine.request("c", 4, ready=True) == [Answer((2, 3), Verdict.SUPERSEDED)]
    assert machine.finished() == [Answer((1,), Verdict.CURRENT), Begin("c")]
    assert machine.finished() == [Answer((4,), Verdict.CURRENT)]


def test_wanting_the_model_under_way_again_drops_the_one_that_waits() -> None:
    machine = LoadMachine()
    machine.request("a", 1, ready=True)
    machine.request("b", 2, ready=True)
    assert machine.request("a", 3, ready=True) == [Answer((2,), Verdict.SUPERSEDED)]
    assert machine.finished() == [Answer((1, 3), Verdict.CURRENT)]


def test_a_failure_says_why_and_the_next_load_goes_on() -> None:
    machine = LoadMachine()
    machine.request("a", 1, ready=True)
    machine.request("b", 2, ready=True)
    error = RuntimeError("broken")
    assert machine.failed(error) == [Answer((1,), Verdict.FAILED, error), Begin("b")]


def test_what_is_not_on_disk_is_fetched_and_then_loaded() -> None:
    machine = LoadMachine()
    assert machine.request("a", 1, ready=False) == [Fetch("a")]
    assert machine.request("a", 2, ready=False) == []
    assert (machine.fetching, machine.loading) == (("a",), None)
    assert machine.fetched("a") == [Begin("a")]
    assert machine.finished() == [Answer((1, 2), Verdict.CURRENT)]


def test_another_model_is_loaded_during_a_fetch_and_counts_as_the_newer_wish() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    effects = machine.request("near", 2, ready=True)
    assert effects == [Answer((1,), Verdict.SUPERSEDED), Begin("near")]
    assert machine.fetched("far") == [], "it is on disk now, and nobody wants it any more"
    assert machine.finished() == [Answer((2,), Verdict.CURRENT)]


def test_a_model_fetched_during_a_load_is_loaded_after_it() -> None:
    machine = LoadMachine()
    machine.request("near", 1, ready=True)
    assert machine.request("far", 2, ready=False) == [Fetch("far")]
    assert machine.fetched("far") == []
    assert machine.finished() == [Answer((1,), Verdict.CURRENT), Begin("far")]


def test_a_load_that_ends_does_not_begin_what_is_still_being_fetched() -> None:
    machine = LoadMachine()
    machine.request("near", 1, ready=True)
    machine.request("far", 2, ready=False)
    assert machine.finished() == [Answer((1,), Verdict.CURRENT)]
    assert machine.fetched("far") == [Begin("far")]


def test_a_failed_fetch_is_told_to_whoever_still_waits() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    error = RuntimeError("no network")
    assert machine.fetch_failed("far", error) == [Answer((1,), Verdict.FAILED, error)]
    machine.request("far", 2, ready=False)
    machine.request("near", 3, ready=True)
    assert machine.fetch_failed("far", error) == []


def test_a_cancelled_fetch_answers_at_once_and_ends_later() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    assert machine.cancel("far") == [StopFetch("far"), Answer((1,), Verdict.CANCELLED)]
    assert machine.cancel("far") == []
    assert machine.fetch_failed("far", RuntimeError("cancelled")) == []
    assert machine.cancel("far") == []
    assert machine.cancel("never asked for") == []


def test_a_model_wanted_again_while_its_cancelled_fetch_ends_is_fetched_again() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    machine.cancel("far")
    assert machine.request("far", 2, ready=False) == []
    assert machine.fetch_failed("far", RuntimeError("cancelled")) == [Fetch("far")]
    assert machine.fetched("far") == [Begin("far")]


def test_a_second_cancel_drops_the_wish_that_came_between() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    machine.cancel("far")
    machine.request("far", 2, ready=False)
    assert machine.cancel("far") == [Answer((2,), Verdict.CANCELLED)]
    assert machine.fetch_failed("far", RuntimeError("cancelled")) == []


def test_a_cancel_that_came_too_late_loads_what_is_wanted_again() -> None:
    machine = LoadMachine()
    machine.request("far", 1, ready=False)
    machine.cancel("far")
    machine.request("far", 2, ready=False)
    assert machine.fetched("far") == [Begin("far")]


NAMES = ("a", "b", "c")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["near", "far", "cancel", "finished", "failed", "fetched", "fetch_failed"]
            ),
            st.sampled_from(NAMES),
        ),
        max_size=60,
    )
)
def test_every_request_is_answered_exactly_once(steps: list[tuple[str, str]]) -> None:
    machine = LoadMachine()
    answered: list[int] = []
    asked = 0
    fetches: set[str] = set()
    loads: set[str] = set()

    def note(effects: list[LoadEffect]) -> None:
        for effect in effects:
            match effect:
                case Answer():
                    answered.extend(effect.tokens)
                case Fetch():
                    assert effect.model_id not in fetches, "one fetch of a model at a time"
                    fetches.add(effect.model_id)
                case Begin():
                    assert not loads, "one load at a time"
                    assert effect.model_id not in fetches
                    loads.add(effect.model_id)
                case StopFetch():
                    assert effect.model_id in fetches

    def end_fetch(name: str, failed: bool) -> None:
        fetches.discard(name)
        note(machine.fetch_failed(name, OSError()) if failed else machine.fetched(name))

    def end_load(failed: bool) -> None:
        loads.clear()
        note(machine.failed(OSError()) if failed else machine.finished())

    for step, name in steps:
        if step in ("near", "far"):
            asked += 1
            note(machine.request(name, asked, ready=step == "near"))
        elif step == "cancel":
            note(machine.cancel(name))
        elif step.startswith("fetch") and name in fetches:
            end_fetch(name, step == "fetch_failed")
        elif step in ("finished", "failed") and loads:
            end_load(step == "failed")
        assert machine.fetching == tuple(sorted(fetches, key=machine.fetching.index))
    while fetches or loads:
        if fetches:
            end_fetch(next(iter(fetches)), failed=False)
        else:
            end_load(failed=False)
    assert sorted(answered) == list(range(1, asked + 1))
