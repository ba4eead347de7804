"""Whoever hears some events live and the rest again knows what somebody knows who never left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.messages import ErrorEvent, FinalTranscription, RealtimeTranscription
from server.replay import ReplayRing, SessionEvent
from server.shelf import Room
from tests.unit.server.test_server_replay import final, notice, partial

STREAMS = ("a1.1", "a2.1")

utterances = st.tuples(st.integers(1, 3), st.sampled_from(STREAMS))
events = st.one_of(
    st.builds(lambda u: partial("ก", *u), utterances),
    st.builds(lambda u: final("กข", *u), utterances),
    st.builds(lambda u: final("กข", u[0], u[1], provisional=True), utterances),
    st.builds(notice),
)


class Reader:
    """What a client shows: the newest partial of what is open, every other event once."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], str] = {}
        self.rest: list[int] = []

    def hear(self, event_id: int, event: SessionEvent) -> None:
        if isinstance(event, RealtimeTranscription):
            self.open[event.stream_id, event.utterance_id] = f"{event_id} {event.text}"
            return
        if isinstance(event, FinalTranscription):
            self.open.pop((event.stream_id, event.utterance_id), None)
            if event.provisional is True:
                return
        self.rest.append(event_id)


@given(st.lists(events, max_size=40), st.data())
def test_a_reader_who_was_away_ends_like_one_who_was_not(
    said: list[SessionEvent], data: st.DataObject
) -> None:
    ring = ReplayRing(60.0)
    always, returning = Reader(), Reader()
    heard = 0
    for event in said:
        told = ring.note(event, 0.0)
        always.hear(told.event_id, told.event)
        if data.draw(st.booleans()):
            for missed in ring.since(heard, "a1", 0.0).told:
                returning.hear(missed.event_id, missed.event)
            heard = ring.last_id
    missed_all = ring.since(heard, "a1", 0.0)
    assert missed_all.complete
    for missed in missed_all.told:
        returning.hear(missed.event_id, missed.event)
    assert returning.rest == always.rest
    assert returning.open == always.open


CONNECTIONS = ("a1", "a2", "a3")
LASTING, PASSING = Room(events=9, chars=100_000), Room(events=5, chars=1_500)

pushes = st.lists(
    st.tuples(
        st.sampled_from(("final", "partial", "quick", "notice", "told")),
        st.sampled_from(CONNECTIONS),
        st.integers(0, 300),
    ),
    max_size=120,
)


def pushed(kind: str, connection: str, size: int, number: int) -> tuple[SessionEvent, str | None]:
    text, stream_id = "x" * size, f"{connection}.1"
    match kind:
        case "final":
            return final(text, number, stream_id), None
        case "partial":
            return partial(text, number % 7, stream_id), None
        case "quick":
            return final(text, number % 7, stream_id, provisional=True), None
        case "notice":
            return notice(text), None
        case _:
            return ErrorEvent(code="audio_gap", message=text), connection


@given(pushes)
def test_whatever_is_pushed_the_bound_holds_and_everybody_keeps_a_share(
    said: list[tuple[str, str, int]],
) -> None:
    """Chatter costs no final, and the finals of one connection none of another's share."""
    ring = ReplayRing(60.0, LASTING, PASSING)
    finals: dict[str, list[int]] = {connection: [] for connection in CONNECTIONS}
    for number, (kind, connection, size) in enumerate(said):
        event, to = pushed(kind, connection, size, number + 10)
        told = ring.note(event, 0.0, to)
        if kind == "final":
            finals[connection].append(told.event_id)
        kept = {t.event_id: t for c in CONNECTIONS for t in ring.since(0, c, 0.0).told}
        passing = [t for t in kept.values() if not _is_final(t.event)]
        assert len(kept) - len(passing) <= LASTING.events
        assert len(passing) <= PASSING.events
        assert sum(len(t.text) for t in passing) <= PASSING.chars
        for mine in finals.values():
            share = mine[-(LASTING.events // len(CONNECTIONS)) :]
            assert set(share) <= kept.keys()
        if sum(map(len, finals.values())) <= LASTING.events:
            assert {i for mine in finals.values() for i in mine} <= kept.keys()


def _is_final(event: SessionEvent) -> bool:
    return isinstance(event, FinalTranscription) and event.provisional is not True


@given(pushes, st.integers(0, 120))
def test_who_is_told_that_it_missed_nothing_has_missed_nothing(
    said: list[tuple[str, str, int]], heard: int
) -> None:
    ring = ReplayRing(60.0, LASTING, PASSING)
    told_to: dict[str, list[int]] = {connection: [] for connection in CONNECTIONS}
    for number, (kind, connection, size) in enumerate(said):
        event, to = pushed(kind, connection, size, number + 10)
        told = ring.note(event, 0.0, to)
        for each in CONNECTIONS:
            if to in (None, each) and kind in ("final", "notice", "told"):
                told_to[each].append(told.event_id)
    for each, expected in told_to.items():
        missed = ring.since(min(heard, ring.last_id), each, 0.0)
        if missed.complete:
            got = {t.event_id for t in missed.told}
            assert {i for i in expected if i > heard} <= got
