"""Who is counted, and who is one too many."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.roll import Bounds, Limit, Living, Roll, Stage, Visit, Wish

NOTHING = Living()


def wish(
    remote: str = "a", session: str | None = "s", *, stream: bool = False, returning: bool = False
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
        (Bounds(streams=1), [wish(stream=True)], wish(session=None, returning=True), None),
        (Bounds(per_address=1), [wish()], wish(returning=True), Limit.ADDRESS),
        (Bounds(), [wish(stream=True)] * 50, wish(stream=True), None),
    ],
)
def test_what_is_full(
    bounds: Bounds, inside: Sequence[Wish], wanted: Wish, limit: Limit | None
) -> None:
    roll = Roll(bounds)
    visits = [enter(roll, each) for each in inside]
    assert roll.full_for(wanted, NOTHING) is limit
    if limit is not None:
        assert limit in roll.reached(NOTHING)
        roll.leave(visits[0])
        assert roll.full_for(wanted, NOTHING) is None
        assert roll.reached(NOTHING) == []


def test_sessions_and_streams_that_live_on_without_a_connection_count() -> None:
    roll = Roll(Bounds(sessions=2, streams=2))
    enter(roll, wish(session="t", stream=True))
    inside = Living(["s", "t"], streams=1)
    assert roll.full_for(wish(session="u"), inside) is Limit.SESSIONS
    assert roll.full_for(wish(session="s"), inside) is None
    assert roll.full_for(wish(session="t", stream=True), Living(streams=2)) is Limit.STREAMS
    assert roll.reached(Living(["s", "t"], streams=2)) == [Limit.SESSIONS, Limit.STREAMS]


def test_who_is_not_known_yet_is_a_connection_and_no_more() -> None:
    roll = Roll(Bounds(connections=9, sessions=1, streams=1))
    for _ in range(8):
        enter(roll, wish(session=None))
    assert (roll.connections, roll.streams) == (8, 0)
    assert roll.full_for(wish(stream=True), NOTHING) is None
    enter(roll, wish(session=None))
    assert roll.full_for(wish(session=None), NOTHING) is Limit.CONNECTIONS


def test_who_is_known_by_now_counts_at_once() -> None:
    roll = Roll(Bounds(sessions=1, streams=1))
    first, second = enter(roll, wish(session=None)), enter(roll, wish(session=None))
    assert roll.full_inside(wish(stream=True), NOTHING) is None
    assert roll.change(first, wish(stream=True))
    assert roll.full_inside(wish(stream=True), NOTHING) is Limit.STREAMS
    assert roll.full_inside(wish(session="t"), NOTHING) is Limit.SESSIONS
    assert roll.full_inside(wish(), NOTHING) is None
    roll.leave(second)
    assert not roll.change(second, wish(session="t", stream=True))
    assert (roll.connections, roll.streams) == (1, 1)


def test_who_comes_back_is_in_the_session_of_its_place() -> None:
    roll = Roll(Bounds(sessions=2))
    visit = enter(roll, wish(session=None, returning=True))
    roll.change(visit, wish(session="old"))
    assert roll.full_for(wish(session="new"), Living(["old"])) is None
    assert roll.reached(Living(["old", "new"])) == [Limit.SESSIONS]


def test_a_kept_place_counts_for_its_address_but_not_against_who_comes_back() -> None:
    roll = Roll(Bounds(per_address=3))
    enter(roll, wish())
    kept = Living(kept={"a": 2})
    assert roll.full_for(wish(), kept) is Limit.ADDRESS
    assert roll.reached(kept) == [Limit.ADDRESS]
    assert roll.full_for(wish("b"), kept) is None
    returning = wish(session=None, returning=True)
    assert roll.full_for(returning, kept) is None
    enter(roll, returning)
    # it has no place after all: it is the fourth of its address
    assert roll.full_inside(wish(), kept) is Limit.ADDRESS
    assert roll.full_inside(wish(), Living(kept={"a": 1})) is None


def test_streams_of_kept_places_are_streams_beside_those_at_the_door() -> None:
    roll = Roll(Bounds(streams=3))
    for _ in range(2):  # let in just now: nothing inside knows of them
        enter(roll, wish(stream=True))
    assert roll.full_for(wish(stream=True), Living(streams=0)) is None
    assert (
        roll.full_for(wish(stream=True), Living(streams=1, kept_streams={"b": 1})) is Limit.STREAMS
    )


@pytest.mark.parametrize(
    ("streams", "kept", "gives_way"),
    [
        (20, {}, None),
        (20, {"a": 5, "b": 5, "c": 5}, None),
        (20, {"a": 6}, "a"),
        (20, {"a": 6, "b": 7}, "b"),
        (1, {"a": 1}, None),
        (2, {"a": 2}, "a"),
    ],
)
def test_kept_streams_beyond_the_share_of_an_address_give_way(
    streams: int, kept: dict[str, int], gives_way: str | None
) -> None:
    assert Roll(Bounds(streams=streams)).gives_way(Living(kept_streams=kept)) == gives_way


def test_a_network_of_ipv6_is_one_address() -> None:
    roll = Roll(Bounds(pending_per_address=2, per_address=2))
    visits = [roll.arrive(f"2001:db8::{number}") for number in (1, 2)]
    assert roll.arrive("2001:db8::ffff:3") is None
    assert roll.arrive("2001:db8:0:1::1") is not None
    for number, visit in enumerate(visits):
        assert visit is not None
        roll.admit(visit, wish(f"2001:db8::{number}"))
    assert roll.full_for(wish("2001:db8::3"), NOTHING) is Limit.ADDRESS
    assert roll.full_for(wish("2001:db8:0:1::3"), NOTHING) is None
    for visit in visits:
        assert visit is not None
        roll.leave(visit)
    assert roll.full_for(wish("2001:db8::3"), NOTHING) is None


def test_a_visit_counts_as_what_it_turns_out_to_be() -> None:
    roll = Roll(Bounds(sessions=1, streams=1))
    visit = enter(roll, wish(session="/s", stream=True))
    roll.change(visit, wish(session="anna/s"))
    assert roll.full_for(wish(session="/s"), NOTHING) is Limit.SESSIONS
    assert roll.full_for(wish(session="anna/s", stream=True), NOTHING) is None
    roll.leave(visit)
    roll.change(visit, wish())
    assert roll.full_for(wish(session="/s", stream=True), NOTHING) is None


def test_handshakes_that_do_not_come_are_bounded_by_address() -> None:
    roll = Roll(Bounds(pending_per_address=2))
    first, _ = roll.arrive("a"), roll.arrive("a")
    assert first is not None
    assert roll.arrive("a") is None
    assert roll.arrive("b") is not None
    assert roll.reached(NOTHING) == [Limit.PENDING]
    roll.admit(first, wish())
    assert roll.arrive("a") is not None


def test_leaving_twice_and_being_admitted_late_change_nothing() -> None:
    roll = Roll(Bounds(connections=1))
    visit = enter(roll, wish())
    roll.leave(visit)
    roll.leave(visit)
    assert not roll.admit(visit, wish())
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
        if roll.full_for(wanted, NOTHING) is None:
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
    assert roll.reached(NOTHING) == []
    assert (roll.connections, roll.streams, roll.pending) == (0, 0, 0)
    for session in "st":
        enter(roll, wish(session=session))
