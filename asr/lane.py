"""One model's part of the scheduler."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from asr.batching import BatchQueue
from asr.engine import Engine
from asr.types import DecodeRequest


@dataclass(slots=True, eq=False)
class Lane:
    """One model's queue, threads and requests on the way to the queue."""

    engine: Engine
    queue: BatchQueue
    threads: ThreadPoolExecutor
    free_workers: int
    overdue_workers: int = 0
    """Whose call exceeded the timeout and has not returned."""
    preparing: set[DecodeRequest] = field(default_factory=set)
    detaching: bool = False
    alarm: asyncio.TimerHandle | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stuck(self) -> bool:
        """Every worker's call is overdue: nothing will be decoded until one returns."""
        return self.overdue_workers == self.engine.info.workers

    @property
    def on_last_worker(self) -> bool:
        """One of several workers is free."""
        return self.free_workers == 1 < self.engine.info.workers - self.overdue_workers

    @classmethod
    def of(cls, model_id: str, engine: Engine) -> Lane:
        """A lane with as many threads as its engine has workers, idle."""
        workers = engine.info.workers
        threads = ThreadPoolExecutor(workers, thread_name_prefix=f"decode-{model_id}")
        lane = cls(engine, BatchQueue(engine.info.max_batch), threads, workers)
        lane.note_idle()
        return lane

    def note_idle(self) -> None:
        """Set or clear `idle`."""
        busy = self.preparing or self.free_workers < self.engine.info.workers
        if busy or not self.queue.waiting.empty:
            self.idle.clear()
        else:
            self.idle.set()
