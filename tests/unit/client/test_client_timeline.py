from __future__ import annotations

import pytest
from msgspec.structs import replace

from client.timeline import Timeline, is_restarted
from tests.support.fake_server import final


def test_own_streams_continue_where_their_audio_lies() -> None:
    base_ms = 0.0
    timeline = Timeline(lambda ms: base_ms + ms)
    timeline.connected(("a1",), restarted=False)
    event = final("ก", stream_id="a1")
    placed = timeline.place(event, 99_000)
    assert placed == event
    base_ms = 12_345.0
    timeline.connected(("a1",), restarted=True)
    placed = timeline.place(event, 99_000)
    assert placed is not None
    assert (placed.start_ms, placed.end_ms) == (12_345, 14_845)


def test_a_stream_that_was_begun_anew_is_silent_until_the_server_restarts() -> None:
    timeline = Timeline(lambda ms: ms)
    timeline.connected(("a1",), restarted=False)
    timeline.connected(("a5",), restarted=False)
    assert timeline.place(final("ก", stream_id="a1"), 2_000) is None
    assert timeline.is_former("a1")
    timeline.connected(("a2",), restarted=True)
    assert timeline.place(final("ก", stream_id="a1"), 9_000) is not None


def test_streams_of_others_are_placed_when_first_heard_of() -> None:
    timeline = Timeline(lambda ms: ms)
    first = replace(final("ก", stream_id="b"), start_ms=50_000, end_ms=52_000)
    placed = timeline.place(first, 10_000)
    assert placed is not None
    assert (placed.start_ms, placed.end_ms) == (8_000, 10_000)
    later = timeline.place(replace(first, start_ms=60_000, end_ms=61_000), 70_000)
    assert later is not None
    assert (later.start_ms, later.end_ms) == (18_000, 19_000)


@pytest.mark.parametrize(
    ("uptime_s", "since_s", "restarted"),
    [(5.0, 60.0, True), (600.0, 60.0, False), (59.0, 60.0, False)],
)
def test_a_server_younger_than_the_connection_was_restarted(
    uptime_s: float, since_s: float, restarted: bool
) -> None:
    assert is_restarted(uptime_s, since_s) is restarted
