"""A decode thread that can be lost: it may die, or hang in a call that nothing can end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from asr.decode_call import Decoded, decode_batch
from asr.engine import Engine, Prepared

logger = logging.getLogger(__name__)


class WorkerDiedError(Exception):
    """The thread of a call ended before its answer came."""


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    batch: Sequence[Prepared]
    answer: asyncio.Future[Decoded]


class DecodeWorker:
    """One thread, for one call at a time. All methods are the loop's.

    The thread is a daemon: one that hangs does not hold up the end of the process.
    """

    def __init__(self, name: str, engine: Engine, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds, in any thread."""
        self._engine = engine
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._answer: asyncio.Future[Decoded] | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    def serves(self, engine: Engine) -> bool:
        """Whether it calls this engine."""
        return self._engine is engine

    def decode(self, batch: Sequence[Prepared]) -> asyncio.Future[Decoded]:
        """Decode a batch; the one before has been answered. It fails with WorkerDiedError."""
        self._answer = self._loop.create_future()
        self._calls.put(_Call(batch, self._answer))
        return self._answer

    def look(self) -> None:
        """Have a call fail whose thread has ended without a word."""
        if not self.alive:
            self._loop.call_soon(self._on_end)  # behind what it has said

    def stop(self) -> None:
        """End the thread after the call that runs."""
        self._calls.put(None)

    async def finished(self) -> None:
        """Wait for the call that runs, however it ends."""
        if self._answer is not None:
            await asyncio.wait({self._answer})

    # -- in the thread --------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                decoded = decode_batch(self._engine, call.batch, self._clock)
                self._tell(_answer, call.answer, decoded)
                del call
        except BaseException as error:  # whatever it is, it has ended this thread
            logger.critical("a decode thread died: %s", type(error).__name__, exc_info=True)
        finally:
            self._tell(self._on_end)

    def _tell(self, on_loop: Callable[..., None], *what: object) -> None:
        try:
            self._loop.call_soon_threadsafe(on_loop, *what)
        except RuntimeError:  # the loop is closed: nobody listens any more
            logger.debug("a decode thread outlived the server")

    # -- on the loop ----------------------------------------------------------------------------

    def _on_end(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerDiedError("its decode thread died"))


def _answer(answer: asyncio.Future[Decoded], decoded: Decoded) -> None:
    if not answer.done():
        answer.set_result(decoded)
