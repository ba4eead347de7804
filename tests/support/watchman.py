"""Whether a server inside the test is well: no error logged, nothing raised, nothing left over."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from asr.recogniser import StreamRecogniser
from server.actor import AudioActor
from server.connection import Connection
from server.logs import is_no_stranger
from server.peer import Peer
from server.registry import Session
from server.seats import Seat
from server.speaker import Speaker

KEPT = (Session, Seat, Peer, Connection, Speaker, AudioActor, StreamRecogniser)
"""Of these there is one for each place, connection or stream."""

LAST_ONES = 3
"""Of a kind may be there when nobody is: a loop's variable keeps its last value."""

POOL_THREADS = 4
"""A pool begins its threads one by one, as work needs them."""

SETTLE_S = 20.0
READ_EVERY_S = 0.2
REST_READINGS = 8


@dataclass(frozen=True, slots=True)
class Footprint:
    """What is there; equal to an earlier one if nothing was left behind."""

    tasks: int
    fds: int

    @classmethod
    def now(cls) -> Footprint:
        """At this moment."""
        return cls(len(asyncio.all_tasks()), psutil.Process(os.getpid()).num_fds())


def left_over() -> dict[str, int]:
    """Objects of the server, by kind, that should be gone once nobody is connected."""
    gc.collect()
    # by type: `isinstance` asks proxies of what is gone for its class
    kinds = Counter(type(each).__name__ for each in gc.get_objects() if type(each) in KEPT)
    return {kind: count for kind, count in kinds.items() if count > LAST_ONES}


def crowded_pools() -> dict[str, int]:
    """Kinds of threads, by their names, of which there are more than a pool has."""
    kinds = Counter(thread.name.rstrip("0123456789_-") for thread in threading.enumerate())
    return {kind: count for kind, count in kinds.items() if count > POOL_THREADS}


async def at_rest() -> Footprint:
    """What is there once that has not changed for a while."""
    now, same = Footprint.now(), 0
    while same < REST_READINGS:
        await asyncio.sleep(READ_EVERY_S)
        before, now = now, Footprint.now()
        same = same + 1 if now == before else 0
    return now


async def back_to(before: Footprint) -> Footprint:
    """What is there once it is no more than what was there before, or after a while."""
    for _ in range(round(SETTLE_S / READ_EVERY_S)):
        now = Footprint.now()
        if now.tasks <= before.tasks and now.fds <= before.fds:
            return before
        await asyncio.sleep(READ_EVERY_S)
    return now


class Watchman(logging.Handler):
    """Keeps every record of level ERROR and what the loop's exception handler is told."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.troubles: list[str] = []
        self.doing = ""
        """What goes on, for whoever reads a trouble."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_no_stranger(record):
            text = logging.Formatter().format(record)
            self.troubles.append(f"{record.name}: {text} ({self.doing})")

    def on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.troubles.append(f"loop: {context} ({self.doing})")


@contextmanager
def watching() -> Iterator[Watchman]:
    """Watch the running loop and the log."""
    watchman = Watchman()
    loop, root = asyncio.get_running_loop(), logging.getLogger()
    before = loop.get_exception_handler()
    loop.set_exception_handler(watchman.on_exception)
    root.addHandler(watchman)
    try:
        yield watchman
    finally:
        root.removeHandler(watchman)
        loop.set_exception_handler(before)
