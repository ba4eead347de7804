"""The model that answers, and how another takes its place without losing a word."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor

from asr.calibration import Pace
from asr.engine import EngineError, EngineInfo
from asr.fetches import Fetches
from asr.load_machine import (
    Answer,
    Begin,
    Fetch,
    LoadEffect,
    LoadMachine,
    LoadPhase,
    LoadProgress,
    StopFetch,
)
from asr.load_requests import Accept, LoadRequest, LoadRequests
from asr.loaded import EngineHost, Loaded, LoadedModels, LoadMeasurement, ModelLease
from asr.loading import Loader, TooSlowError
from asr.locate import sizes_mb
from asr.memory_rule import Fit, FitVerdict
from asr.model_source import ModelSource
from asr.reopening import Reopening
from asr.reports import LoadReport, ModelError, ModelListing, load_failure, shutting_down
from asr.types import ModelSpec, ModelState

logger = logging.getLogger(__name__)

DRAIN_LIMIT_S = 60.0
"""Longest wait for the last utterances of a model whose place another takes."""


class ModelManager:
    """Fetches beside, loads in a thread of its own, swaps, and unloads what nobody holds.

    `on_progress` is told of each model's phases. A model that nobody holds stays in memory for
    `keep_s`; one whose place another has to take has `drain_limit_s` for its last utterances. All
    methods belong to the loop's thread. On any failure the old model stays.
    """

    def __init__(
        self,
        *,
        catalogue: Mapping[str, ModelSpec],
        source: ModelSource,
        loader: Loader,
        host: EngineHost,
        on_progress: Callable[[LoadProgress], None],
        keep_s: float,
        drain_limit_s: float = DRAIN_LIMIT_S,
    ) -> None:
        self.catalogue = catalogue
        self._source = source
        self._loader = loader
        self._on_progress = on_progress
        self._drain_limit_s = drain_limit_s
        self._machine = LoadMachine()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._files = ThreadPoolExecutor(1, thread_name_prefix="model-files")
        self._models = LoadedModels(host, self._thread, keep_s)
        self.reopening = Reopening(self._models, loader, self._thread)
        self._fetches = Fetches(source, on_progress, self._on_fetched)
        self._requests = LoadRequests()
        self._order = asyncio.Lock()
        self._load_task: asyncio.Task[None] | None = None
        self._measured: dict[str, LoadMeasurement] = {}
        self._closing = False

    @property
    def current(self) -> ModelSpec | None:
        """The model that answers, None before the first is loaded."""
        current_id = self._models.current_id
        return self.catalogue[current_id] if current_id else None

    @property
    def current_info(self) -> EngineInfo | None:
        """What the current model runs on."""
        current = self._models.current
        return current.engine.info if current else None

    @property
    def current_pace(self) -> Pace | None:
        """How the current model is used."""
        current = self._models.current
        return current.pace if current else None

    @property
    def current_measurement(self) -> LoadMeasurement | None:
        """What the current model's load took."""
        current = self._models.current
        return current.measurement if current else None

    def pace_of(self, model_id: str) -> Pace:
        """How a leased model is used; it does not change while the model is held."""
        return self._models.pace_of(model_id)

    def acquire(self) -> ModelLease:
        """Hold the current model. Raises ModelError before the first is loaded."""
        lease = self._models.acquire()
        if lease is None:
            raise ModelError("no_model", "no model is loaded yet; try again shortly")
        return lease

    async def listing(self) -> list[ModelListing]:
        """Every catalogue entry with its state and size."""
        # the embedded model may still have to be joined, which takes seconds
        looked_for = [spec for spec in self.catalogue.values() if not spec.embedded]
        loop = asyncio.get_running_loop()
        sizes = await loop.run_in_executor(self._files, sizes_mb, looked_for, self._source.locate)
        return [
            ModelListing(
                spec,
                self._state_of(spec, sizes),
                sizes.get(spec.id) or spec.size_mb,
                self._measured.get(spec.id),
            )
            for spec in self.catalogue.values()
        ]

    async def is_ready(self, model_id: str) -> bool:
        """Whether a model of the catalogue can be loaded without being fetched first.

        Raises ModelError where that cannot be found out.
        """
        spec = self.catalogue[model_id]
        if spec.embedded or spec.id in self._models:
            return True
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._files, self._source.is_ready, spec)
        except EngineError as error:
            raise load_failure(spec.id, error.code, error.message) from error
        except OSError as error:
            raise load_failure(spec.id, "cache_failed", str(error)) from error

    async def load(self, model_id: str, accept: Accept | None = None) -> LoadReport:
        """Make a model the one that answers, fetched first if it is not on disk.

        `accept` may refuse it once it is measured, unless others ask for it without conditions.
        Raises ModelError; the old model then goes on.
        """
        return await self._request(model_id, accept, beside=False)

    async def load_beside(self, model_id: str) -> tuple[LoadReport, ModelLease]:
        """Have a model in memory, held by the lease, while the current one goes on answering.

        Raises ModelError, also where memory does not take both.
        """
        report = await self._request(model_id, None, beside=True)
        assert report.lease is not None
        return report, report.lease

    async def cancel(self, model_id: str) -> bool:
        """Stop fetching a model's files; what came is kept. False if they are not on their way."""
        async with self._order:
            effects = self._machine.cancel(model_id)
            self._perform(effects)
        return bool(effects)

    async def close(self, grace_s: float = 1.0) -> None:
        """Give up loads and fetches under way and close every engine.

        An engine that does not close in `grace_s` (its decode hangs) is left to the process's end.
        """
        self._closing = True
        if self._load_task is not None:
            self._load_task.cancel()
            await asyncio.gather(self._load_task, return_exceptions=True)
        self._requests.fail_all(shutting_down)
        self.reopening.close()
        await self._fetches.close(grace_s)
        await self._models.close(grace_s)
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._files.shutdown(wait=False, cancel_futures=True)

    # -- requests -----------------------------------------------------------------------------

    async def _request(self, model_id: str, accept: Accept | None, *, beside: bool) -> LoadReport:
        if model_id not in self.catalogue:
            raise ModelError("unknown_model", f"no model {model_id!r} in the catalogue")
        async with self._order:  # looking at files must not let a later request overtake
            ready = not self._closing and await self.is_ready(model_id)
            if self._closing:
                raise shutting_down(model_id)
            if beside and self._machine.busy:
                raise ModelError("busy", "another model is on its way to answer; try again then")
            token = self._requests.add(model_id, accept, beside=beside)
            (request,) = self._requests.of((token,))
            self._perform(self._machine.request(model_id, token, ready=ready))
        return await request.answer

    def _report(self, request: LoadRequest) -> LoadReport:
        model_id = request.model_id
        lease = self._models.lease_on(model_id) if request.beside else None
        return LoadReport(self.catalogue[model_id], self._measured[model_id], lease)

    def _perform(self, effects: list[LoadEffect]) -> None:
        for effect in effects:
            match effect:
                case Fetch():
                    self._fetches.start(self.catalogue[effect.model_id])
                case StopFetch():
                    self._fetches.stop(effect.model_id)
                case Begin():
                    name = f"load {effect.model_id}"
                    self._load_task = asyncio.create_task(self._run(effect.model_id), name=name)
                case Answer():
                    self._requests.answer(effect, self._report)

    def _on_fetched(self, model_id: str, error: EngineError | None) -> None:
        if self._closing:
            return
        if error is None:
            self._perform(self._machine.fetched(model_id))
        else:
            failure = load_failure(model_id, error.code, error.message)
            self._perform(self._machine.fetch_failed(model_id, failure))

    # -- loading ------------------------------------------------------------------------------

    async def _run(self, model_id: str) -> None:
        try:
            answers = await self._bring_up(model_id)
        except EngineError as error:
            self._fail(model_id, error.code, error.message)
        except Exception as error:  # a task's root: whoever waits must hear of it
            logger.exception("loading %s failed", model_id)
            self._fail(model_id, "model_load_failed", f"{type(error).__name__}: {error}")
        else:
            self._perform(self._machine.finished(answers=answers))

    def _fail(self, model_id: str, code: str, message: str) -> None:
        error = load_failure(model_id, code, message)
        self._on_progress(LoadProgress(model_id, LoadPhase.FAILED, error.message, code=code))
        self._perform(self._machine.failed(error))

    async def _bring_up(self, model_id: str) -> bool:
        """Load a model; True if it answers from now on, False if it is only to be there."""
        self._on_progress(LoadProgress(model_id, LoadPhase.LOADING))
        await self._models.left(model_id, self._drain_limit_s)
        if model_id not in self._models:
            await self._load(self.catalogue[model_id])
        if self._only_beside(model_id):
            return False
        self._models.make_current(model_id)
        return True

    def _only_beside(self, model_id: str) -> bool:
        asked = self._requests.of(self._machine.askers(model_id))
        return all(request.beside for request in asked) and bool(asked)

    async def _load(self, spec: ModelSpec) -> None:
        verdict = await self._fit(spec)
        if verdict.fit is not Fit.BESIDE:
            await self._models.unload_idle(self._drain_limit_s)
            verdict = await self._fit(spec)
        logger.info("model %s: %s", spec.id, verdict.message)
        nowhere = verdict.fit is Fit.NOT_AT_ALL and not spec.embedded  # one model must answer
        if nowhere or (verdict.fit is Fit.INSTEAD and self._only_beside(spec.id)):
            raise EngineError("out_of_memory", verdict.message)
        if verdict.fit is Fit.INSTEAD and self._models.current_id is not None:
            await self._replace(spec)
        else:
            self._models.add(spec.id, await self._open(spec))

    async def _replace(self, spec: ModelSpec) -> None:
        """Both do not fit: the old one ends its utterances and leaves, those since then wait."""
        before = self.current
        assert before is not None
        self._models.expect(spec.id)
        try:
            await self._models.unload_current(self._drain_limit_s)
            self._machine.answers(None)
            await self._models.unload_idle(self._drain_limit_s)  # others may have ended meanwhile
            if len(self._models) > 0:  # something else holds one (a shadow run)
                verdict = await self._fit(spec)
                if verdict.fit is not Fit.BESIDE:
                    raise EngineError("out_of_memory", verdict.message)
            self._models.add(spec.id, await self._open(spec))
        except Exception:
            if before.id not in self._models:
                await self._fall_back(spec, before)
            self._models.give_up_expected()
            raise

    async def _fall_back(self, spec: ModelSpec, before: ModelSpec) -> None:
        """Have the old model answer again, or else the embedded one."""
        logger.warning("model %s did not come: back to %s", spec.id, before.id)
        embedded = [each for each in self.catalogue.values() if each.embedded]
        for candidate in (before, *embedded):
            try:
                if candidate.id not in self._models:
                    self._models.add(candidate.id, await self._open(candidate))
            except Exception as error:  # whatever it is, the next may answer
                logger.critical("model %s did not come back: %s", candidate.id, error)
                continue
            self._models.make_current(candidate.id)
            self._machine.answers(candidate.id)
            return

    async def _open(self, spec: ModelSpec) -> Loaded:
        """Load, warm up and measure; refused where nobody wants it that slow."""
        loop = asyncio.get_running_loop()

        def tell_warming() -> None:
            loop.call_soon_threadsafe(self._on_warming, spec.id)

        opening = self._thread.submit(self._loader.load, spec, tell_warming)
        try:
            loaded = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:  # at the end: nobody waits for what the thread still does
            opening.add_done_callback(Loader.discard)
            raise
        refusal = self._refusal(spec.id, loaded.pace)
        if refusal is not None:
            await loop.run_in_executor(self._thread, loaded.engine.close)
            raise TooSlowError(refusal)
        self._measured[spec.id] = loaded.measurement
        return loaded

    def _on_warming(self, model_id: str) -> None:
        self._machine.warming()
        self._on_progress(LoadProgress(model_id, LoadPhase.MEASURING))

    def _refusal(self, model_id: str, pace: Pace) -> str | None:
        asked = self._requests.of(self._machine.askers(model_id))
        reasons = [request.accept(pace) if request.accept else None for request in asked]
        return reasons[0] if reasons and all(reasons) else None

    async def _fit(self, spec: ModelSpec) -> FitVerdict:
        loop, loaded_mb = asyncio.get_running_loop(), self._models.memory_mb
        return await loop.run_in_executor(self._thread, self._loader.fit, spec, loaded_mb)

    def _state_of(self, spec: ModelSpec, on_disk: Container[str]) -> ModelState:
        if spec.id in self._models:
            return ModelState.READY
        if spec.id == self._machine.loading:
            return ModelState.LOADING
        if spec.id in self._machine.fetching:
            return ModelState.FETCHING
        if spec.embedded or spec.id in on_disk:
            return ModelState.ON_DISK
        return ModelState.REMOTE
