from __future__ import annotations

import json

from msgspec import UNSET

from server.flow_messages import Gap
from server.messages import (
    AudioConfigured,
    AudioEndAck,
    ErrorEvent,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    SpeechStartedEvent,
)
from server.replay import LASTING, MAX_LOSERS, PASSING, ReplayRing
from server.shelf import Room


def partial(text: str, utterance_id: int = 1, stream_id: str = "a1.1") -> RealtimeTranscription:
    return RealtimeTranscription(
        text=text,
        timestamp="",
        session_id="s",
        stream_id=stream_id,
        utterance_id=utterance_id,
        revision=1,
        stable_text="",
        start_ms=0,
        end_ms=1,
        model_id="m",
    )


def final(
    text: str, utterance_id: int = 1, stream_id: str = "a1.1", provisional: bool | None = None
) -> FinalTranscription:
    return FinalTranscription(
        text=text,
        duration=1.0,
        processing_time=0.1,
        speed_ratio=10.0,
        model="r",
        timestamp="",
        model_id="m",
        session_id="s",
        stream_id=stream_id,
        utterance_id=utterance_id,
        revision=2,
        start_ms=0,
        end_ms=1,
        confidence=0.9,
        end_reason="silence",
        provisional=UNSET if provisional is None else provisional,
    )


def notice(text: str = "x") -> Notice:
    return Notice(level="info", code="c", message=text)


def ids(ring: ReplayRing, last: int, connection: str = "a1", now_s: float = 0.0) -> list[int]:
    return [told.event_id for told in ring.since(last, connection, now_s).told]


def test_events_are_numbered_and_said_again_in_order() -> None:
    ring = ReplayRing(60.0)
    told = [ring.note(notice(str(number)), 0.0) for number in range(3)]
    assert [t.event_id for t in told] == [1, 2, 3]
    assert json.loads(told[1].text) == {
        "type": "notice",
        "level": "info",
        "code": "c",
        "message": "1",
        "event_id": 2,
    }
    assert ring.since(1, "a1", 0.0).told == tuple(told[1:])
    assert ring.since(3, "a1", 0.0).told == ()
    assert ring.since(3, "a1", 0.0).complete


def test_what_was_said_to_one_is_said_again_to_that_one() -> None:
    ring = ReplayRing(60.0)
    ring.note(notice(), 0.0, to="a1")
    ring.note(notice(), 0.0, to="a2")
    ring.note(notice(), 0.0)
    assert ids(ring, 0, "a1") == [1, 3]
    assert ids(ring, 0, "a2") == [2, 3]


def test_a_partial_gives_way_to_the_next_and_to_the_final() -> None:
    ring = ReplayRing(60.0)
    ring.note(partial("ก"), 0.0)
    ring.note(partial("ข", stream_id="a2.1"), 0.0)
    ring.note(partial("กข"), 0.0)
    assert ids(ring, 0) == [2, 3]
    ring.note(final("กขค"), 0.0)
    assert ids(ring, 0) == [2, 4]
    assert ring.since(0, "a1", 0.0).complete, "what gave way is not missed"


def test_a_provisional_final_stays_until_the_final() -> None:
    ring = ReplayRing(60.0)
    ring.note(partial("ก"), 0.0)
    ring.note(final("กข", provisional=True), 0.0)
    ring.note(partial("กขค"), 0.0)
    assert ids(ring, 0) == [2, 3]
    assert ring.latest_texts(0.0)[0] == []
    ring.note(final("กขค"), 0.0)
    assert ids(ring, 0) == [4]


def test_an_utterance_that_failed_has_no_partial_any_more() -> None:
    ring = ReplayRing(60.0)
    ring.note(partial("ก"), 0.0)
    error = ErrorEvent(code="x", message="", stream_id="a1.1", utterance_id=1)
    ring.note(error, 0.0)
    assert ids(ring, 0) == [2]
    ring.note(ErrorEvent(code="x", message="", stream_id="a1.1"), 0.0)
    assert ids(ring, 0) == [2, 3]


def test_what_is_too_old_is_forgotten_and_that_is_said() -> None:
    ring = ReplayRing(60.0)
    ring.note(notice(), 0.0)
    ring.note(notice(), 50.0)
    assert ids(ring, 0, now_s=60.0) == [1, 2]
    late = ring.since(0, "a1", 61.0)
    assert [told.event_id for told in late.told] == [2]
    assert not late.complete
    assert ring.since(1, "a1", 61.0).complete
    assert ring.since(2, "a1", 1_000.0).complete


def test_a_number_that_was_never_given_is_not_complete() -> None:
    ring = ReplayRing(60.0)
    ring.note(notice(), 0.0)
    assert not ring.since(2, "a1", 0.0).complete


def test_the_bound_is_kept() -> None:
    ring = ReplayRing(60.0)
    for _ in range(PASSING.events + 5):
        ring.note(notice(), 0.0)
    assert len(ids(ring, 0)) == PASSING.events
    assert not ring.since(4, "a1", 0.0).complete
    assert ring.since(5, "a1", 0.0).complete
    ring.note(notice("x" * (PASSING.chars // 2)), 0.0)
    ring.note(notice("y" * (PASSING.chars // 2)), 0.0)
    assert ids(ring, 0) == [ring.last_id]
    ring.note(notice("z" * PASSING.chars), 0.0)
    assert ids(ring, 0) == []


def test_what_nothing_makes_up_for_has_room_of_its_own() -> None:
    ring = ReplayRing(60.0)
    ring.note(final("said"), 0.0)
    ring.note(final("withdrawn", 2, provisional=False), 0.0)
    ring.note(Gap(session_id="s", stream_id="a1.1", start_ms=0, reason="r", message="m"), 0.0)
    ring.note(AudioEndAck(session_id="s", stream_ids=[], received_ms=0, status="s"), 0.0, "a1")
    ring.note(
        AudioConfigured(
            encoding="int16",
            sample_rate=16_000,
            channels=1,
            channel_mode="mix",
            stream_ids=[],
            finals="single",
            received_ms=0,
        ),
        0.0,
        "a1",
    )
    lasting = list(range(1, ring.last_id + 1))
    for number in range(2 * PASSING.events):
        ring.note(notice(), 0.0)
        ring.note(partial("x", number, "a2.1"), 0.0)
        ring.note(ErrorEvent(code="audio_gap", message=""), 0.0, "a1")
        ring.note(final("quick", number, provisional=True), 0.0)
    assert ids(ring, 0)[: len(lasting)] == lasting
    assert not ring.since(0, "a1", 0.0).complete


def test_who_speaks_much_pushes_out_its_own_finals_first() -> None:
    ring = ReplayRing(60.0)
    for number in range(3):
        ring.note(final("mine", number), 0.0)
    for number in range(2 * LASTING.events):
        ring.note(final("theirs", number, "a2.1"), 0.0)
    finals, _ = ring.latest_texts(0.0)
    assert [f.text for f in finals[:4]] == ["mine", "mine", "mine", "theirs"]
    assert len(finals) == LASTING.events


def test_what_is_forgotten_of_another_is_not_missed() -> None:
    ring = ReplayRing(60.0)
    for _ in range(PASSING.events + 1):
        ring.note(ErrorEvent(code="audio_gap", message=""), 0.0, to="a2")
    assert ring.since(0, "a1", 0.0).complete
    assert not ring.since(0, "a2", 0.0).complete
    assert ring.since(1, "a2", 0.0).complete


def test_of_whom_something_is_forgotten_is_bounded() -> None:
    ring = ReplayRing(60.0, passing=Room(0, 0))
    for number in range(MAX_LOSERS):
        ring.note(notice(), 0.0, to=f"c{number}")
    assert ring.since(0, "a1", 0.0).complete
    ring.note(notice(), 0.0, to="one more")
    late = ring.since(0, "a1", 0.0)
    assert not late.complete, "it is told too much rather than too little"
    assert ring.since(ring.last_id, "a1", 0.0).complete


def test_the_latest_texts_are_finals_and_what_is_open() -> None:
    ring = ReplayRing(60.0)
    ring.note(final("one", 1), 0.0)
    ring.note(notice(), 0.0)
    ring.note(partial("tw", 2), 30.0)
    ring.note(final("other", 1, "a2.1"), 30.0)
    finals, partials = ring.latest_texts(60.0)
    assert [f.text for f in finals] == ["one", "other"]
    assert [p.text for p in partials] == ["tw"]
    finals, _ = ring.latest_texts(61.0)
    assert [f.text for f in finals] == ["other"]


def test_what_later_events_make_up_for_is_no_loss() -> None:
    ring = ReplayRing(60.0)
    for number in range(PASSING.events + 5):
        begun = SpeechStartedEvent(session_id="s", stream_id="a1.1", utterance_id=number, at_ms=0)
        ring.note(begun, 0.0)
        ring.note(partial("x", number), 0.0)
    ring.note(final("said"), 0.0)
    missed = ring.since(0, "a1", 0.0)
    assert missed.complete
    assert missed.told[-1].event_id == ring.last_id
