"""The last free worker of several is kept for finals."""

from __future__ import annotations

from asr.batching import STARVED_PARTIAL_S, BatchQueue
from tests.support.batch_items import FINAL, item, offered, streams

LATER_S = STARVED_PARTIAL_S + 0.1


def test_a_partial_does_not_get_the_last_worker() -> None:
    queue = BatchQueue(4)
    offered(queue, item("a"))
    assert queue.take(0.0, last_worker=True).batch == ()
    assert streams(queue.take(0.0)) == ["a"]


def test_a_final_does() -> None:
    queue = BatchQueue(4)
    offered(queue, item("a"), item("b", FINAL))
    assert streams(queue.take(0.0, last_worker=True)) == ["b"]


def test_a_starving_partial_does_while_no_other_runs() -> None:
    queue = BatchQueue(4)
    offered(queue, item("a"))
    assert streams(queue.take(LATER_S, last_worker=True)) == ["a"]


def test_a_starving_partial_waits_for_the_partials_that_run() -> None:
    queue = BatchQueue(1)
    offered(queue, item("a"), item("b"))
    running = queue.take(0.0).batch
    assert queue.take(LATER_S, last_worker=True).batch == ()
    queue.done(running)
    assert streams(queue.take(LATER_S, last_worker=True)) == ["b"]


def test_finals_that_run_do_not_count_as_partials() -> None:
    queue = BatchQueue(4)
    offered(queue, item("a"), item("b", FINAL))
    queue.take(0.0)
    assert streams(queue.take(LATER_S, last_worker=True)) == ["a"]


def test_finals_are_not_held_back_for_partials_that_may_not_run() -> None:
    queue = BatchQueue(1)
    offered(queue, item("a"))
    queue.take(0.0)
    offered(queue, item("b"), *(item(name, FINAL) for name in "cdef"))
    taken = [streams(queue.take(LATER_S, last_worker=True)) for _ in range(4)]
    assert taken == [["c"], ["d"], ["e"], ["f"]]
