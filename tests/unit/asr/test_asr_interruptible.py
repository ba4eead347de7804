"""Work that may block, and callers that do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from asr.engine import EngineError
from asr.interruptible import Interruptible, call_interruptibly


def test_what_the_iterator_gives_comes_in_order() -> None:
    with Interruptible(lambda: iter(range(100)), threading.Event(), "t") as running:
        assert [item for item in running.items() if item is not None] == list(range(100))


def test_what_it_raises_comes_after_what_it_gave() -> None:
    def steps() -> Iterator[int]:
        yield 1
        raise KeyError("broke")

    with Interruptible(steps, threading.Event(), "t") as running:
        items = running.items()
        assert next(item for item in items if item is not None) == 1
        with pytest.raises(KeyError):
            list(items)


def test_a_waiting_caller_hears_that_nothing_comes() -> None:
    go_on = threading.Event()

    def steps() -> Iterator[int]:
        go_on.wait()
        yield 1

    with Interruptible(steps, threading.Event(), "t") as running:
        items = running.items()
        assert next(items) is None
        go_on.set()
        assert next(item for item in items if item is not None) == 1


def test_a_blocked_call_is_left_at_once_and_its_thread_woken() -> None:
    cancelled, woken = threading.Event(), threading.Event()

    def steps() -> Iterator[int]:
        woken.wait()
        yield 1

    with Interruptible(steps, cancelled, "blocked thread", woken.set) as running:
        cancelled.set()
        with pytest.raises(EngineError) as caught:
            next(running.items())
    assert caught.value.code == "cancelled"
    assert "blocked thread" not in {thread.name for thread in threading.enumerate()}


def test_an_iterator_that_nobody_reads_any_more_is_closed() -> None:
    closed = threading.Event()

    def steps() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with Interruptible(steps, threading.Event(), "t") as running:
        next(running.items())
    assert closed.wait(5)


def test_a_call_gives_its_result_or_its_error() -> None:
    assert call_interruptibly(lambda: 7, threading.Event(), "t") == 7
    with pytest.raises(ZeroDivisionError):
        call_interruptibly(lambda: 1 // 0, threading.Event(), "t")
