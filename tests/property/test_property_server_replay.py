"""Whoever hears some events live and the rest again knows what somebody knows who never left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.messages import FinalTranscription, RealtimeTranscription
from server.replay import ReplayRing, SessionEvent
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
