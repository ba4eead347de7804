"""Who is counted, and who is one too many."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.roll import Bounds, Limit, Roll, Stage, Visit, Wish


def wish(
    remote: str = "a", session: str = "s", *, stream: bool = False, returning: bool = False
) -> Wish:
    return Wish(remote, session, stream, returning)


def enter(roll: Roll, wanted: Wish) -> Visit:
    visit = roll.arrive(wanted.remote)
    assert visit is not None
    roll.admit(visit, wanted)
    return visit


@pytest.mark.parametrize(
    ("bounds", "inside", "wanted", "limit"),
    [
        (Bounds(per_address=2), [wish(), wish()], wish(), Limit.ADDRESS),
        (Bounds(per_address=2), [wish(), wish()], wish("b"), None),
        (Bounds(connections=2), [wish(), wish("b")], wish("c"), Limit.CONNECTIONS),
        (Bounds(sessions=1), [wish()], wish(session="t"), Limit.SESSIONS),
        (Bounds(sessions=1), [wish()], wish("b"), None),
        (Bounds(streams=1), [wish(stream=True)], wish(stream=True), Limit.STREAMS),
        (Bounds(streams=1), [wish(stream=True)], wish(), None),
        (Bounds(streams=1), [wish(stream=True)], wish(stream=True, returning=True), None),
        (Bounds(per_address=1), [wish()], wish(returning=True), Limit.ADDRESS),
        (Bounds(), [wish(stream=True)] * 50, wish(stream=True), None),
    ],
)
def test_what_is_full(
    bounds: Bounds, inside: Sequence[Wish], wanted: Wish, limit: Limit | None
) -> None:
    roll = Roll(bounds)
    visits = [enter(roll, each) for each in inside]
    assert roll.full_for(wanted, (), 0) is limit
    if limit is not None:
        assert limit in roll.reached((), 0)
        roll.leave(visits[0])
        assert roll.full_for(wanted, (), 0) is None
        assert roll.reached((), 0) == []


def test_sessions_and_streams_that_live_on_without_a_connection_count() -> None:
    roll = Roll(Bounds(sessions=2, streams=2))
    enter(roll, wish(session="t", stream=True))
    assert roll.full_for(wish(session="u"), ["s", "t"], 1) is Limit.SESSIONS
    assert roll.full_for(wish(session="s"), ["s", "t"], 1) is None
    assert roll.full_for(wish(session="t", stream=True), [], 2) is Limit.STREAMS
    assert roll.reached(["s", "t"], 2) == [Limit.SESSIONS, Limit.STREAMS]


def test_a_returning_visit_that_has_no_place_does_not_count_against_itself() -> None:
    roll = Roll(Bounds(sessions=1, streams=1))
    visit = enter(roll, wish(stream=True, returning=True))
    assert roll.full_inside(visit, (), 0) is None
    other = enter(roll, wish(session="t", stream=True, returning=True))
    assert roll.full_inside(other, ("s",), 1) is Limit.SESSIONS
    assert roll.full_inside(Visit("a"), (), 0) is None


def test_a_visit_counts_as_what_it_turns_out_to_be() -> None:
    roll = Roll(Bounds(sessions=1, streams=1))
    visit = enter(roll, wish(session="/s", stream=True))
    roll.change(visit, wish(session="anna/s"))
    assert roll.full_for(wish(session="/s"), (), 0) is Limit.SESSIONS
    assert roll.full_for(wish(session="anna/s", stream=True), (), 0) is None
    roll.leave(visit)
    roll.change(visit, wish())
    assert roll.full_for(wish(session="/s", stream=True), (), 0) is None


def test_handshakes_that_do_not_come_are_bounded_by_address() -> None:
    roll = Roll(Bounds(pending_per_address=2))
    first, _ = roll.arrive("a"), roll.arrive("a")
    assert first is not None
    assert roll.arrive("a") is None
    assert roll.arrive("b") is not None
    assert roll.reached((), 0) == [Limit.PENDING]
    roll.admit(first, wish())
    assert roll.arrive("a") is not None


def test_leaving_twice_and_being_admitted_late_change_nothing() -> None:
    roll = Roll(Bounds(connections=1))
    visit = enter(roll, wish())
    roll.leave(visit)
    roll.leave(visit)
    roll.admit(visit, wish())
    assert (roll.connections, roll.pending, visit.stage) == (0, 0, Stage.GONE)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from("stu"), st.booleans(), st.sampled_from((0, 1, 2))
        ),
        max_size=40,
    ),
    st.randoms(),
)
def test_counts_are_those_of_the_visits_and_all_are_free_in_the_end(
    comings: list[tuple[str, str, bool, int]], chance: Random
) -> None:
    roll = Roll(Bounds(per_address=3, connections=5, sessions=2, streams=2))
    inside: list[tuple[Visit, Wish]] = []
    for remote, session, stream, leaving in comings:
        visit = roll.arrive(remote)
        assert visit is not None
        wanted = wish(remote, session, stream=stream)
        if roll.full_for(wanted, (), 0) is None:
            roll.admit(visit, wanted)
            inside.append((visit, wanted))
        else:
            roll.leave(visit)
        for _ in range(min(leaving, len(inside))):
            gone, _ = inside.pop(chance.randrange(len(inside)))
            roll.leave(gone)
        wishes = [each for _, each in inside]
        assert roll.connections == len(wishes) <= 5
        assert roll.streams == sum(each.stream for each in wishes) <= 2
        assert len({each.session for each in wishes}) <= 2
        assert all(sum(each.remote == name for each in wishes) <= 3 for name in "ab")
    for visit, _ in inside:
        roll.leave(visit)
    assert roll.reached((), 0) == []
    assert (roll.connections, roll.streams, roll.pending) == (0, 0, 0)
    for session in "st":
        enter(roll, wish(session=session))
