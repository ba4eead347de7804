"""A model whose engine is lost, or whose decodes all hang, is opened anew in its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace

from asr.engine import EngineError
from asr.loaded import Loaded, LoadedModels
from asr.loading import Loader
from asr.memory_rule import Fit
from asr.types import ModelSpec

logger = logging.getLogger(__name__)


class Reopening:
    """Opens loaded models anew in `thread`, where loads happen. Belongs to the loop's thread.

    The engine before is closed when no call runs in it any more; one that hangs for good stays in
    memory.
    """

    def __init__(self, models: LoadedModels, loader: Loader, thread: Executor) -> None:
        self._models = models
        self._loader = loader
        self._thread = thread
        self._closing: set[asyncio.Task[None]] = set()

    async def reopen(self, spec: ModelSpec, *, lost: bool) -> None:
        """Open a model again; `lost`: what was loaded takes no memory any more.

        Raises EngineError: `not_loaded` where it is not in memory (any more).
        """
        before = self._models.get(spec.id)
        if before is None:
            raise _not_loaded(spec)
        loop = asyncio.get_running_loop()
        others_mb = self._models.memory_mb - (before.counted_mb if lost else 0)
        opening = self._thread.submit(self._open, spec, others_mb)
        try:
            loaded = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(Loader.discard)
            raise
        if self._models.get(spec.id) is not before:
            await loop.run_in_executor(self._thread, loaded.engine.close)
            raise _not_loaded(spec)
        free = self._models.exchange(spec.id, replace(before, engine=loaded.engine))
        task = asyncio.create_task(self._close(before, free), name=f"close old {spec.id}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        logger.warning("model %s: opened anew", spec.id)

    def close(self) -> None:
        """Engines that are still busy are left to the process's end."""
        for task in self._closing:
            task.cancel()

    def _open(self, spec: ModelSpec, others_mb: int) -> Loaded:
        verdict = self._loader.fit(spec, others_mb)
        if verdict.fit is not Fit.BESIDE and not spec.embedded:
            raise EngineError("out_of_memory", verdict.message)
        return self._loader.load(spec, _nobody)

    async def _close(self, before: Loaded, free: asyncio.Task[None] | None) -> None:
        if free is not None:
            await free
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, _close_engine, before.engine.close)


def _nobody() -> None:
    """Nobody is told that it warms up."""


def _close_engine(close: Callable[[], None]) -> None:
    try:
        close()
    except EngineError as error:
        logger.error("the engine before was not unloaded: %s", error)


def _not_loaded(spec: ModelSpec) -> EngineError:
    return EngineError("not_loaded", f"{spec.id} is not in memory any more")
