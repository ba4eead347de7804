"""One model's part of the scheduler: its queue, its engine and its decode threads."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from asr.batching import RETIRED, BatchQueue, Taken
from asr.decode_worker import DecodeWorker
from asr.engine import Engine, Prepared
from asr.types import DecodeDropped, DecodeKind, DecodeRequest

logger = logging.getLogger(__name__)

ABANDONED_PER_WORKER: Final = 2
"""Threads that hang, for each worker of the engine; beyond that none is replaced."""


class Loss(Enum):
    """How a decode thread was lost. The value is the code of what it then did not answer."""

    DIED = "decode_thread_died"
    HUNG = "decode_timeout"


@dataclass(frozen=True, slots=True)
class LaneHealth:
    """Whether a model's decodes get anywhere."""

    workers: int
    """Threads that decode or can."""
    abandoned: int
    """Threads that hang in a decode."""
    engine_lost: bool
    """The engine has said that it cannot decode any more, whatever it gets."""

    @property
    def stuck(self) -> bool:
        """No thread is left: nothing will be decoded until one comes back."""
        return self.workers == 0


@dataclass(slots=True, eq=False)
class Lane:
    """One model's queue, threads and requests on the way to the queue.

    Bounds: as many workers as the engine has, and `ABANDONED_PER_WORKER` times as many threads
    that hang and one more.
    """

    model_id: str
    engine: Engine
    queue: BatchQueue
    clock: Callable[[], float]
    losses: Counter[Loss]
    """Threads lost so far, of all lanes."""
    workers: set[DecodeWorker] = field(default_factory=set)
    free: list[DecodeWorker] = field(default_factory=list)
    abandoned: set[DecodeWorker] = field(default_factory=set)
    again: deque[Prepared] = field(default_factory=deque)
    """What a lost worker had: decoded once more, each alone. For the queue it still runs."""
    preparing: set[DecodeRequest] = field(default_factory=set)
    engine_lost: bool = False
    detaching: bool = False
    alarm: asyncio.TimerHandle | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(
        cls, model_id: str, engine: Engine, clock: Callable[[], float], losses: Counter[Loss]
    ) -> Lane:
        """A lane with as many threads as its engine has workers, idle."""
        lane = cls(model_id, engine, BatchQueue(engine.info.max_batch), clock, losses)
        lane.man()
        lane.note_idle()
        return lane

    @property
    def health(self) -> LaneHealth:
        """Whether decodes get anywhere."""
        return LaneHealth(len(self.workers), len(self.abandoned), self.engine_lost)

    @property
    def stuck(self) -> bool:
        """No worker is left."""
        return not self.workers

    @property
    def on_last_worker(self) -> bool:
        """One of several workers is free."""
        return len(self.free) == 1 < len(self.workers)

    def note_idle(self) -> None:
        """Set or clear `idle`."""
        busy = self.preparing or self.again or self.abandoned
        if busy or len(self.free) < len(self.workers) or not self.queue.waiting.empty:
            self.idle.clear()
        else:
            self.idle.set()

    # -- workers --------------------------------------------------------------------------------

    def man(self) -> None:
        """Have as many workers as the engine can use, unless too many threads hang."""
        wanted = self.engine.info.workers
        if len(self.abandoned) > ABANDONED_PER_WORKER * wanted:
            return
        while len(self.workers) < wanted:
            try:
                worker = DecodeWorker(f"decode-{self.model_id}", self.engine, self.clock)
            except RuntimeError as error:  # it is tried again at the next look
                logger.critical("model %s: no thread to decode in: %s", self.model_id, error)
                return
            self.workers.add(worker)
            self.free.append(worker)

    def mend(self) -> None:
        """Replace workers that died while they were free; have calls of dead ones fail."""
        for worker in tuple(self.workers):
            if not worker.alive and worker in self.free:
                self.free.remove(worker)
                self.lose(worker, Loss.DIED)
            worker.look()
        for worker in self.abandoned:
            worker.look()
        self.man()

    def give_back(self, worker: DecodeWorker) -> None:
        """A worker is free again, if it is still one of ours."""
        if worker in self.workers:
            self.free.append(worker)

    def lose(self, worker: DecodeWorker, loss: Loss) -> None:
        """A worker died or hangs: another takes its place."""
        if worker not in self.workers:
            return  # the engine was exchanged meanwhile
        self.workers.remove(worker)
        self.losses[loss] += 1
        if loss is Loss.HUNG:
            self.abandoned.add(worker)
        self.man()

    def came_back(self, worker: DecodeWorker) -> None:
        """A thread that hung has ended its call: it may work again where one is missing."""
        self.abandoned.discard(worker)
        missing = len(self.workers) < self.engine.info.workers
        if missing and worker.alive and worker.serves(self.engine):
            self.workers.add(worker)
            self.free.append(worker)
        else:
            worker.stop()
        self.man()

    def exchange(self, engine: Engine) -> set[DecodeWorker]:
        """Decode with another engine from now on; the workers that may still call the old one."""
        old = self.workers | self.abandoned
        self.workers, self.free, self.abandoned = set(), [], set()
        self.engine, self.engine_lost = engine, False
        for worker in old:
            worker.stop()
        self.man()
        return old

    def dismiss(self) -> None:
        """End every thread that can be ended."""
        for worker in self.workers | self.abandoned:
            worker.stop()

    # -- what is decoded ------------------------------------------------------------------------

    def take(self, now_s: float) -> tuple[Taken, bool]:
        """What is decoded next, and whether that is for the second time."""
        if self.again:
            return Taken((self.again.popleft(),), ()), True
        return self.queue.take(now_s, last_worker=self.on_last_worker), False

    def retire(self, whom: tuple[str, int, int], kind: DecodeKind | None) -> list[DecodeDropped]:
        """Drop what waits for an utterance: (stream_id, epoch, utterance_id)."""

        def wanted(request: DecodeRequest) -> bool:
            who = (request.stream_id, request.epoch, request.utterance_id)
            return who == whom and kind in (None, request.kind)

        again = [prepared for prepared in self.again if wanted(prepared.request)]
        self.again = deque(prepared for prepared in self.again if prepared not in again)
        self.queue.done(again)
        gone = [prepared.request for prepared in again]
        gone += [request for request in self.preparing if wanted(request)]
        return [*self.queue.retire(*whom, kind), *(DecodeDropped(each, RETIRED) for each in gone)]

    def clear(self) -> list[DecodeRequest]:
        """Forget everything that waits; its requests, whose outcomes are the caller's to tell."""
        again, self.again = self.again, deque()
        self.queue.done(again)
        return [*self.queue.clear(), *(prepared.request for prepared in again)]
