"""The model that answers, and how another takes its place without losing a word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from asr.calibration import Pace
from asr.engine import Engine, EngineError, EngineInfo
from asr.load_machine import (
    Answer,
    Begin,
    LoadEffect,
    LoadMachine,
    LoadPhase,
    LoadProgress,
    Verdict,
)
from asr.locate import sizes_mb
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, ModelSpec, ModelState
from audio.types import SAMPLE_RATE_HZ

logger = logging.getLogger(__name__)


class ModelError(Exception):
    """A model cannot answer. `code` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineHost(Protocol):
    """Who runs engines (the scheduler)."""

    def attach(self, model_id: str, engine: Engine) -> None:
        """Take decodes for this model from now on."""
        ...

    async def detach(self, model_id: str) -> None:
        """Finish this model's decodes and let go of its engine."""
        ...


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A model answers; `load_s` is how long it took to load, now or at an earlier request."""

    spec: ModelSpec
    load_s: float


@dataclass(frozen=True, slots=True)
class ModelListing:
    """A catalogue entry and where it stands on this machine."""

    spec: ModelSpec
    state: ModelState
    size_mb: int | None = None
    """Of its files, in millions of bytes: measured where they are on disk, else as published."""


class _Loaded:
    """An engine in memory and how many utterances hold it."""

    def __init__(self, engine: Engine, pace: Pace, load_s: float) -> None:
        self.engine = engine
        self.pace = pace
        self.load_s = load_s
        self.leases = 0


class ModelLease:
    """One utterance's hold on the model it began with."""

    def __init__(self, model_id: str, let_go: Callable[[str], None]) -> None:
        self.model_id = model_id
        self._let_go: Callable[[str], None] | None = let_go

    def release(self) -> None:
        """Let go. A second call does nothing."""
        if self._let_go is not None:
            self._let_go(self.model_id)
            self._let_go = None


class ModelManager:
    """Loads in a thread of its own, warms up, measures, swaps, and closes what nobody holds.

    `pacer` says how a model is used here; it runs in that thread, once for each load.
    `locate` looks for files, in any thread. `on_progress` is told of each load's phases.
    All methods belong to the loop's thread. On any failure the old model stays.
    """

    def __init__(
        self,
        *,
        catalogue: Mapping[str, ModelSpec],
        engine_factory: Callable[[ModelSpec], Engine],
        pacer: Callable[[ModelSpec, Engine], Pace],
        locate: Callable[[ModelSpec], Path | None],
        host: EngineHost,
        clock: Callable[[], float],
        on_progress: Callable[[LoadProgress], None],
    ) -> None:
        self.catalogue = catalogue
        self._factory = engine_factory
        self._pacer = pacer
        self._locate = locate
        self._host = host
        self._clock = clock
        self._on_progress = on_progress
        self._machine = LoadMachine()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._files = ThreadPoolExecutor(1, thread_name_prefix="model-files")
        self._loaded: dict[str, _Loaded] = {}
        self._current_id: str | None = None
        self._answers: dict[int, tuple[str, asyncio.Future[LoadReport]]] = {}
        self._tokens = 0
        self._load_task: asyncio.Task[None] | None = None
        self._retiring: dict[str, asyncio.Task[None]] = {}

    @property
    def current(self) -> ModelSpec | None:
        """The model that answers, None before the first is loaded."""
        return self.catalogue[self._current_id] if self._current_id else None

    @property
    def current_info(self) -> EngineInfo | None:
        """What the current model runs on."""
        return self._loaded[self._current_id].engine.info if self._current_id else None

    @property
    def current_pace(self) -> Pace | None:
        """How the current model is used."""
        return self.pace_of(self._current_id) if self._current_id else None

    def pace_of(self, model_id: str) -> Pace:
        """How a loaded model is used; it does not change while the model is loaded."""
        return self._loaded[model_id].pace

    def acquire(self) -> ModelLease:
        """Hold the current model. Raises ModelError before the first is loaded."""
        if self._current_id is None:
            raise ModelError("no_model", "no model is loaded yet; try again shortly")
        self._loaded[self._current_id].leases += 1
        return ModelLease(self._current_id, self._let_go)

    async def listing(self) -> list[ModelListing]:
        """Every catalogue entry with its state and size."""
        # the embedded model may still have to be joined, which takes seconds
        looked_for = [spec for spec in self.catalogue.values() if not spec.embedded]
        loop = asyncio.get_running_loop()
        sizes = await loop.run_in_executor(self._files, sizes_mb, looked_for, self._locate)
        return [
            ModelListing(spec, self._state_of(spec, sizes), sizes.get(spec.id) or spec.size_mb)
            for spec in self.catalogue.values()
        ]

    async def load(self, model_id: str) -> LoadReport:
        """Make a model the one that answers. Raises ModelError; the old model then goes on."""
        if model_id not in self.catalogue:
            raise ModelError("unknown_model", f"no model {model_id!r} in the catalogue")
        self._tokens += 1
        answer: asyncio.Future[LoadReport] = asyncio.get_running_loop().create_future()
        self._answers[self._tokens] = (model_id, answer)
        self._perform(self._machine.request(model_id, self._tokens))
        return await answer

    async def close(self, grace_s: float = 1.0) -> None:
        """Give up a load under way and close every engine.

        An engine that does not close in `grace_s` (its decode hangs) is left to the process's end.
        """
        if self._load_task is not None:
            self._load_task.cancel()
            await asyncio.gather(self._load_task, return_exceptions=True)
        for model_id, answer in self._answers.values():
            if not answer.done():
                answer.set_exception(_failure(model_id, "shutting_down", "the server shuts down"))
        self._answers.clear()
        if self._retiring:
            await asyncio.wait(self._retiring.values(), timeout=grace_s)
        self._current_id = None
        leaving = [self._retire(name, self._loaded.pop(name)) for name in tuple(self._loaded)]
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*leaving)
        except (TimeoutError, EngineError) as error:
            logger.error("a model was not unloaded: %s", str(error) or "it is still busy")
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._files.shutdown(wait=False, cancel_futures=True)

    # -- loading ------------------------------------------------------------------------------

    def _perform(self, effects: list[LoadEffect]) -> None:
        for effect in effects:
            match effect:
                case Begin():
                    name = f"load {effect.model_id}"
                    self._load_task = asyncio.create_task(self._run(effect.model_id), name=name)
                case Answer():
                    for token in effect.tokens:
                        self._answer(token, effect)

    def _answer(self, token: int, effect: Answer) -> None:
        model_id, answer = self._answers.pop(token)
        if answer.done():  # whoever asked has gone
            return
        if effect.verdict is Verdict.CURRENT:
            report = LoadReport(self.catalogue[model_id], self._loaded[model_id].load_s)
            answer.set_result(report)
        elif effect.error is not None:
            answer.set_exception(effect.error)
        else:
            answer.set_exception(
                ModelError("superseded", f"{model_id} was not loaded: another model was asked for")
            )

    async def _run(self, model_id: str) -> None:
        self._on_progress(LoadProgress(model_id, LoadPhase.LOADING))
        try:
            await self._bring_up(model_id)
        except EngineError as error:
            self._fail(model_id, error.code, error.message)
        except Exception as error:  # a task's root: whoever waits must hear of it
            logger.exception("loading %s failed", model_id)
            self._fail(model_id, "model_load_failed", f"{type(error).__name__}: {error}")
        else:
            self._perform(self._machine.finished())

    def _fail(self, model_id: str, code: str, message: str) -> None:
        error = _failure(model_id, code, message)
        self._on_progress(LoadProgress(model_id, LoadPhase.FAILED, error.message))
        self._perform(self._machine.failed(error))

    async def _bring_up(self, model_id: str) -> None:
        if model_id in self._retiring:
            await self._retiring[model_id]
        if model_id not in self._loaded:
            self._loaded[model_id] = await self._load(self.catalogue[model_id])
        before, self._current_id = self._current_id, model_id
        if before is not None:
            self._retire_if_unused(before)

    async def _load(self, spec: ModelSpec) -> _Loaded:
        loop = asyncio.get_running_loop()
        begun_s = self._clock()
        engine = await loop.run_in_executor(self._thread, self._factory, spec)
        try:
            self._machine.warming()
            self._on_progress(LoadProgress(spec.id, LoadPhase.MEASURING))
            await loop.run_in_executor(self._thread, warm_up, engine)
            pace = await loop.run_in_executor(self._thread, self._pacer, spec, engine)
        except asyncio.CancelledError:  # at the end: nobody waits for what the thread still does
            self._thread.submit(engine.close)
            raise
        except BaseException:
            await loop.run_in_executor(self._thread, engine.close)
            raise
        self._host.attach(spec.id, engine)
        return _Loaded(engine, pace, self._clock() - begun_s)

    def _state_of(self, spec: ModelSpec, on_disk: Container[str]) -> ModelState:
        if spec.id in self._loaded:
            return ModelState.READY
        if spec.id == self._machine.loading:
            return ModelState.LOADING
        if spec.embedded or spec.id in on_disk:
            return ModelState.ON_DISK
        return ModelState.REMOTE

    # -- letting go ---------------------------------------------------------------------------

    def _let_go(self, model_id: str) -> None:
        loaded = self._loaded.get(model_id)
        if loaded is not None:
            loaded.leases -= 1
            self._retire_if_unused(model_id)

    def _retire_if_unused(self, model_id: str) -> None:
        if model_id == self._current_id or self._loaded[model_id].leases > 0:
            return
        task = asyncio.create_task(
            self._retire(model_id, self._loaded.pop(model_id)), name=f"retire {model_id}"
        )
        self._retiring[model_id] = task
        task.add_done_callback(lambda _: self._retired(model_id, task))

    def _retired(self, model_id: str, task: asyncio.Task[None]) -> None:
        self._retiring.pop(model_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("model %s was not unloaded: %s", model_id, error)

    async def _retire(self, model_id: str, loaded: _Loaded) -> None:
        await self._host.detach(model_id)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, loaded.engine.close)
        logger.info("model %s: unloaded", model_id)


def _failure(model_id: str, code: str, reason: str) -> ModelError:
    return ModelError(code, f"Failed to load model {model_id}: {reason}")


def warm_up(engine: Engine) -> None:
    """One decode of a second of faint noise, so that the first utterance is not the slowest."""
    noise = np.random.default_rng(0).normal(0.0, 1e-3, SAMPLE_RATE_HZ).astype(np.float32)
    request = DecodeRequest(
        request_id=0,
        stream_id="warm-up",
        epoch=0,
        utterance_id=0,
        revision=0,
        kind=DecodeKind.FINAL,
        audio=noise,
        options=DecodeOptions(max_new_tokens=8),
        model_id=engine.info.model_id,
        created_s=0.0,
        deadline_s=0.0,
    )
    engine.decode([engine.prepare(request)])
