"""Work that may block, done in a thread that its caller can leave at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from asr.engine import EngineError

T = TypeVar("T")

POLL_S: Final = 0.1
JOIN_S: Final = 0.5
"""A thread left behind in a system call gets this long; it ends at the call's own timeout."""

_AHEAD: Final = 8


def raise_if_cancelled(cancelled: threading.Event) -> None:
    """Raise EngineError `cancelled` if so."""
    if cancelled.is_set():
        raise EngineError("cancelled", "cancelled; what was fetched is kept for the next try")


class Interruptible(Generic[T]):
    """An iterator drained by a daemon thread of its own; at most 8 items wait.

    `steps` makes the iterator, in that thread; its items are not None.
    `on_leave` is called when the caller leaves early, to wake a thread that waits for a socket.
    As a context manager it leaves at the end of the block.
    """

    def __init__(
        self,
        steps: Callable[[], Iterator[T]],
        cancelled: threading.Event,
        name: str,
        on_leave: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps = steps
        self._cancelled = cancelled
        self._on_leave = on_leave
        self._items: queue.Queue[tuple[T] | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._drain, name=name, daemon=True)

    def __enter__(self) -> Interruptible[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if self._thread.is_alive():
            self._on_leave()
        self._thread.join(JOIN_S)

    def items(self) -> Iterator[T | None]:
        """What comes, and None every 0.1 s while nothing does.

        Raises what the iterator raised, and EngineError `cancelled`.
        """
        while True:
            raise_if_cancelled(self._cancelled)
            try:
                item = self._items.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if item is None:
                if self._error is not None:
                    raise self._error
                return
            yield item[0]

    def _drain(self) -> None:
        steps: Iterator[T] | None = None
        try:
            steps = self._steps()
            for item in steps:
                if not self._put((item,)):
                    break
        except Exception as error:  # raised again where the items are read
            self._error = error
        finally:
            if steps is not None and hasattr(steps, "close"):
                with contextlib.suppress(Exception):
                    steps.close()
            self._put(None)

    def _put(self, item: tuple[T] | None) -> bool:
        while not self._left.is_set():
            try:
                self._items.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False


def call_interruptibly(call: Callable[[], T], cancelled: threading.Event, name: str) -> T:
    """The result of a blocking call. Raises what it raises, and EngineError `cancelled`."""

    def once() -> Iterator[T]:
        yield call()

    with Interruptible(once, cancelled, name) as running:
        for item in running.items():
            if item is not None:
                return item
    raise RuntimeError(f"{name}: the call returned nothing")
