"""Requests for a model that is not there yet."""

from __future__ import annotations

from asr.batching import RETIRED, SUPERSEDED
from asr.held import HeldRequests
from asr.types import DecodeRequest
from tests.support.batch_items import FINAL, PARTIAL, item


def holding(*requests: DecodeRequest) -> HeldRequests:
    held = HeldRequests()
    held.hold("m")
    for request in requests:
        held.add(request)
    return held


def test_finals_come_out_first_and_in_their_order() -> None:
    partial, first, second = (
        item("a", PARTIAL).request,
        item("a", FINAL).request,
        item("b", FINAL).request,
    )
    held = holding(partial, first, second)
    assert held.holds("m")
    assert held.release("m") == [first, second, partial]
    assert not held.holds("m")
    assert held.release("m") == []


def test_of_a_stream_the_newest_partial_is_kept() -> None:
    older, newer, other = item("a").request, item("a", revision=2).request, item("b").request
    held = holding(older, other)
    [dropped] = held.add(newer)
    assert (dropped.request, dropped.reason) == (older, SUPERSEDED)
    assert held.release("m") == [other, newer]


def test_what_is_retired_is_not_decoded() -> None:
    partial, final = item("a").request, item("a", FINAL).request
    held = holding(partial, final)
    [dropped] = held.retire(("a", 0, 1), PARTIAL)
    assert (dropped.request, dropped.reason) == (partial, RETIRED)
    assert held.retire(("a", 0, 2), None) == []
    [dropped] = held.retire(("a", 0, 1), None)
    assert dropped.request is final
    assert held.release("m") == []


def test_what_is_cleared_is_held_no_more() -> None:
    held = holding(item("a", FINAL).request)
    held.clear()
    assert not held.holds("m")
