"""The batch queue: order, keys, staleness, bounds. Times are plain numbers."""

from __future__ import annotations

from asr.batching import MAX_FINAL_BATCHES_IN_A_ROW, REMEMBERED_STREAMS, BatchQueue, Taken
from asr.types import DecodeDropped
from tests.support.batch_items import FINAL, PARTIAL, item, offered, streams


def reasons(dropped: list[DecodeDropped] | tuple[DecodeDropped, ...]) -> list[str]:
    return [drop.reason for drop in dropped]


def test_an_empty_queue_gives_nothing() -> None:
    assert BatchQueue(4).take(0.0) == Taken((), ())


def test_a_batch_has_equal_keys_and_is_bounded() -> None:
    queue = BatchQueue(2)
    offered(queue, item("a"), item("b", key="other"), item("c"), item("d"))
    assert streams(queue.take(0.0)) == ["a", "c"]
    assert streams(queue.take(0.0)) == ["b"]
    assert streams(queue.take(0.0)) == ["d"]
    assert queue.waiting.empty


def test_finals_go_first_and_alone() -> None:
    queue = BatchQueue(4)
    offered(queue, item("a"), item("b", FINAL))
    assert streams(queue.take(0.0)) == ["b"]
    assert streams(queue.take(0.0)) == ["a"]


def test_finals_go_by_deadline_and_those_of_one_stream_share_a_batch() -> None:
    queue = BatchQueue(2)
    late = item("a", FINAL, deadline_s=3.0)
    soon = item("a", FINAL, utterance_id=2, deadline_s=1.0)
    middle = item("b", FINAL, deadline_s=2.0)
    offered(queue, late, soon, middle)
    assert queue.take(0.0).batch == (soon, middle)
    assert queue.take(0.0).batch == (late,)


def test_a_newer_partial_takes_the_place_of_the_waiting_one() -> None:
    queue = BatchQueue(4)
    old, new = item(revision=1), item(revision=2)
    dropped = offered(queue, old, new)
    assert [(drop.request, drop.reason) for drop in dropped] == [(old.request, "superseded")]
    assert queue.take(0.0).batch == (new,)


def test_a_stale_partial_is_refused() -> None:
    queue = BatchQueue(4)
    offered(queue, item(revision=5, utterance_id=2))
    for stale in (
        item(revision=5, utterance_id=2),
        item(revision=4, utterance_id=2),
        item(revision=9, utterance_id=1),
        item(revision=9, utterance_id=9, epoch=-1),
    ):
        assert reasons(offered(queue, stale)) == ["stale"]
    assert queue.waiting.partials == 1


def test_a_newer_utterance_ends_the_waiting_partial_of_an_older_one() -> None:
    queue = BatchQueue(4)
    offered(queue, item(utterance_id=1), item(kind=FINAL, utterance_id=2, key="other"))
    taken = queue.take(0.0)
    assert reasons(taken.dropped) == ["stale"]
    assert len(taken.batch) == 1


def test_a_partial_that_is_too_old_is_dropped_and_reported() -> None:
    queue = BatchQueue(4, partial_max_age_s=2.0)
    offered(queue, item("a", created_s=0.0), item("b", created_s=1.0))
    taken = queue.take(2.5)
    assert streams(taken) == ["b"]
    assert [(drop.request.stream_id, drop.reason) for drop in taken.dropped] == [("a", "expired")]


def test_partials_go_by_least_recently_served_stream() -> None:
    queue = BatchQueue(1)
    offered(queue, item("a"), item("b"))
    first = queue.take(0.0)
    queue.done(first.batch)
    offered(queue, item("a", revision=2), item("c"))
    order = []
    for _ in range(3):
        taken = queue.take(0.0)
        order += streams(taken)
        queue.done(taken.batch)
    assert streams(first) == ["a"]
    assert order == ["b", "c", "a"]


def test_a_stream_that_runs_gets_no_partial_taken() -> None:
    queue = BatchQueue(4)
    offered(queue, item(kind=FINAL))
    running = queue.take(0.0)
    offered(queue, item(revision=2))
    assert queue.take(0.0).batch == ()
    queue.done(running.batch)
    assert streams(queue.take(0.0)) == ["a"]


def test_finals_of_a_stream_that_runs_are_taken() -> None:
    queue = BatchQueue(1)
    offered(queue, item(kind=FINAL), item(kind=FINAL, utterance_id=2))
    assert len(queue.take(0.0).batch) == len(queue.take(0.0).batch) == 1


def final_batches_until_partial(queue: BatchQueue, now_s: float) -> int:
    """Take one by one from a queue of many finals; how many came before the first partial."""
    for count in range(20):
        taken = queue.take(now_s)
        if taken.batch[0].request.kind is PARTIAL:
            return count
        queue.done(taken.batch)
    return 20


def test_a_starved_partial_goes_after_three_final_batches() -> None:
    queue = BatchQueue(1)
    offered(queue, *(item(f"f{n}", FINAL) for n in range(8)), item("p"))
    assert final_batches_until_partial(queue, 0.8) == MAX_FINAL_BATCHES_IN_A_ROW
    assert queue.take(0.8).batch[0].request.kind is FINAL


def test_a_fresh_partial_lets_finals_go_first() -> None:
    queue = BatchQueue(1)
    offered(queue, *(item(f"f{n}", FINAL) for n in range(8)), item("p"))
    assert final_batches_until_partial(queue, 0.7) == 8


def test_a_partial_that_replaces_another_has_waited_as_long() -> None:
    queue = BatchQueue(1)
    offered(queue, *(item(f"f{n}", FINAL) for n in range(8)), item("p"))
    offered(queue, item("p", revision=2, created_s=0.7), now_s=0.7)
    assert final_batches_until_partial(queue, 0.8) == MAX_FINAL_BATCHES_IN_A_ROW


def test_retire_drops_what_waits_of_one_kind() -> None:
    queue = BatchQueue(4)
    final, partial = item(kind=FINAL), item(revision=2)
    offered(queue, final, partial, item("b", FINAL))
    dropped = queue.retire("a", 0, 1, FINAL)
    assert [(drop.request, drop.reason) for drop in dropped] == [(final.request, "retired")]
    assert queue.retire("a", 0, 2, None) == []
    assert queue.retire("a", 1, 1, None) == []
    assert queue.retire("unknown", 0, 1, None) == []
    assert [drop.request for drop in queue.retire("a", 0, 1, None)] == [partial.request]
    assert (queue.waiting.partials, queue.waiting.finals) == (0, 1)


def test_finals_are_bounded_in_seconds() -> None:
    queue = BatchQueue(4, max_waiting_final_s=2.0)
    finals = [item(kind=FINAL, utterance_id=n) for n in range(3)]
    dropped = offered(queue, *finals)
    assert [(drop.request, drop.reason) for drop in dropped] == [
        (finals[2].request, "overloaded"),
    ]
    assert (queue.waiting.finals, queue.waiting.final_s) == (2, 2.0)
    queue.take(0.0)
    assert queue.waiting.final_s == 0.0
    assert offered(queue, finals[2]) == []


def test_one_final_is_accepted_whatever_its_length() -> None:
    queue = BatchQueue(4, max_waiting_final_s=0.5)
    assert offered(queue, item(kind=FINAL)) == []


def test_streams_long_gone_are_forgotten_but_not_their_finals() -> None:
    queue = BatchQueue(1)
    offered(queue, item("first", FINAL))
    for number in range(REMEMBERED_STREAMS + 5):
        offered(queue, item(f"s{number}"))
        queue.retire(f"s{number}", 0, 1, None)
    taken = queue.take(0.0)
    assert streams(taken) == ["first"]
    queue.done(taken.batch)


def test_clear_forgets_what_waits_and_not_what_runs() -> None:
    queue = BatchQueue(1)
    offered(queue, item("a"), item("b"), item("c", FINAL), item("c", FINAL, utterance_id=2))
    running = queue.take(0.0)
    queue.clear()
    assert queue.waiting.empty
    assert queue.waiting.final_s == 0.0
    queue.done(running.batch)
