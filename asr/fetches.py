"""Models' files on their way: one thread each, a few at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from asr.engine import EngineError
from asr.load_machine import LoadPhase, LoadProgress
from asr.model_source import ModelSource
from asr.transfer import Transfer
from asr.types import ModelSpec

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""More share one line and one disk. Further ones wait their turn: there are no more than models
in the catalogue, each at most once."""

CANCELLED: Final = "cancelled"

OnEnd: TypeAlias = Callable[[str, EngineError | None], None]


class Fetches:
    """Runs `ModelSource.fetch` off the loop; reports on the loop.

    `on_progress` is told of phases; `on_end` once for each fetch begun, with the error or None.
    """

    def __init__(
        self, source: ModelSource, on_progress: Callable[[LoadProgress], None], on_end: OnEnd
    ) -> None:
        self._source = source
        self._on_progress = on_progress
        self._on_end = on_end
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, threading.Event] = {}

    def start(self, spec: ModelSpec) -> None:
        """Begin. One fetch of a model at a time."""
        cancelled = threading.Event()
        self._cancels[spec.id] = cancelled
        self._tasks[spec.id] = asyncio.create_task(
            self._run(spec, cancelled), name=f"fetch {spec.id}"
        )

    def stop(self, model_id: str) -> None:
        """Have one end early."""
        self._cancels[model_id].set()

    async def close(self, grace_s: float) -> None:
        """Stop them all and wait up to `grace_s`; what came is on disk for the next start."""
        for cancelled in self._cancels.values():
            cancelled.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=grace_s)
            for task in late:
                logger.warning("%s did not stop in %.1f s", task.get_name(), grace_s)
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, spec: ModelSpec, cancelled: threading.Event) -> None:
        loop = asyncio.get_running_loop()

        def tell(phase: LoadPhase, transfer: Transfer | None) -> None:
            progress = LoadProgress(spec.id, phase, transfer=transfer)
            if not cancelled.is_set():
                loop.call_soon_threadsafe(self._on_progress, progress)

        error: EngineError | None = None
        try:
            await loop.run_in_executor(self._threads, self._source.fetch, spec, tell, cancelled)
        except EngineError as problem:
            error = problem
        except Exception as problem:  # a task's root: whoever waits must hear of it
            logger.exception("fetching %s failed", spec.id)
            error = EngineError("fetch_failed", f"{type(problem).__name__}: {problem}")
        del self._tasks[spec.id], self._cancels[spec.id]
        self._report(spec.id, error)

    def _report(self, model_id: str, error: EngineError | None) -> None:
        if error is None:
            self._on_progress(LoadProgress(model_id, LoadPhase.ON_DISK))
        elif error.code == CANCELLED:
            self._on_progress(LoadProgress(model_id, LoadPhase.CANCELLED))
        else:
            logger.error("%s: %s", model_id, error.message)
            failed = LoadProgress(model_id, LoadPhase.FAILED, error.message, code=error.code)
            self._on_progress(failed)
        self._on_end(model_id, error)
