"""Models in memory: who holds them, and when they leave it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from asr.calibration import Pace
from asr.engine import Engine, EngineError

logger = logging.getLogger(__name__)


class EngineHost(Protocol):
    """Who runs engines (the scheduler)."""

    def attach(self, model_id: str, engine: Engine) -> None:
        """Take decodes for this model from now on, those that were held first."""
        ...

    async def detach(self, model_id: str) -> None:
        """Finish this model's decodes and let go of its engine."""
        ...

    def exchange(self, model_id: str, engine: Engine) -> asyncio.Task[None] | None:
        """Decode with another engine of this model; the task ends when the old one has no call."""
        ...

    def hold(self, model_id: str) -> None:
        """Keep requests for this model until it is attached, or `reroute` says otherwise."""
        ...

    def reroute(self, model_id: str, answers: str | None) -> None:
        """Have another model decode what is held for this one; None: it fails."""
        ...


@dataclass(frozen=True, slots=True)
class LoadMeasurement:
    """What a load took on this machine."""

    load_s: float
    """From the request to the first answer that could be given, warm-up and measuring included."""
    warm_up_s: float
    """The first decode: what it sets up is not set up again."""
    memory_mb: int | None
    """Taken, of the device's memory where that is a GPU; None where it cannot be known."""
    rtf: float | None
    """Seconds of decoding per second of speech, of a quick final of 5 s; None: not measured."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine in memory, how it is used and what was measured.

    `needed_mb` is what it may come to take, estimated before.
    """

    engine: Engine
    pace: Pace
    measurement: LoadMeasurement
    needed_mb: int = 0

    @property
    def counted_mb(self) -> int:
        """What counts for the rule of admission: batches still to come take more than a trial."""
        return max(self.measurement.memory_mb or 0, self.needed_mb)


class ModelLease:
    """One utterance's hold on the model it began with."""

    def __init__(self, model_id: str, let_go: Callable[[ModelLease], None]) -> None:
        self.model_id = model_id
        self._let_go: Callable[[ModelLease], None] | None = let_go

    def release(self) -> None:
        """Let go. A second call does nothing."""
        if self._let_go is not None:
            self._let_go(self)
            self._let_go = None


class LoadedModels:
    """Engines by model id. A model that nobody holds leaves `keep_s` after its last use.

    All methods belong to the loop's thread; engines are closed in `thread`.
    """

    def __init__(self, host: EngineHost, thread: Executor, keep_s: float) -> None:
        self._host = host
        self._thread = thread
        self._keep_s = keep_s
        self._loaded: dict[str, Loaded] = {}
        self._leases: Counter[str] = Counter()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._going: dict[str, Loaded] = {}
        """Those that leave."""
        self._free = asyncio.Event()
        self._expected: tuple[str, Pace] | None = None
        self._waiting: set[ModelLease] = set()
        """Leases on the model that is expected."""
        self.current_id: str | None = None
        self.current: Loaded | None = None
        """The model that answers; while it is replaced, the one that did."""

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._loaded

    def __len__(self) -> int:
        return len(self._loaded)

    @property
    def memory_mb(self) -> int:
        """What is loaded may take, and what has not left yet."""
        return sum(loaded.counted_mb for loaded in (*self._loaded.values(), *self._going.values()))

    def get(self, model_id: str) -> Loaded | None:
        """A loaded model."""
        return self._loaded.get(model_id)

    def pace_of(self, model_id: str) -> Pace:
        """How a loaded model is used, or one expected is until it is there."""
        if self._expected is not None and model_id == self._expected[0]:
            return self._expected[1]
        return self._loaded[model_id].pace

    def add(self, model_id: str, loaded: Loaded) -> None:
        """A model is in memory: it takes decodes from now on."""
        if self._expected is not None and self._expected[0] == model_id:
            self._expected = None
            self._waiting.clear()
        self._loaded[model_id] = loaded
        self._host.attach(model_id, loaded.engine)

    def make_current(self, model_id: str) -> None:
        """Utterances that begin from now on are this model's."""
        before, self.current_id = self.current_id, model_id
        self.current = self._loaded[model_id]
        self._keep(model_id)
        if before is not None and before != model_id:
            self._look_after(before)

    def exchange(self, model_id: str, loaded: Loaded) -> asyncio.Task[None] | None:
        """A loaded model was opened anew; the task ends when its old engine has no call."""
        self._loaded[model_id] = loaded
        if model_id == self.current_id:
            self.current = loaded
        return self._host.exchange(model_id, loaded.engine)

    # -- leases -------------------------------------------------------------------------------

    def acquire(self) -> ModelLease | None:
        """Hold the current model, or the one expected in its place. None before the first."""
        if self._expected is not None:
            lease = ModelLease(self._expected[0], self._let_go)
            self._waiting.add(lease)
        elif self.current_id is not None:
            lease = ModelLease(self.current_id, self._let_go)
        else:
            return None
        self._leases[lease.model_id] += 1
        return lease

    def lease_on(self, model_id: str) -> ModelLease:
        """Keep a loaded model in memory for another reason than an utterance."""
        self._leases[model_id] += 1
        self._keep(model_id)
        return ModelLease(model_id, self._let_go)

    def _let_go(self, lease: ModelLease) -> None:
        self._waiting.discard(lease)
        self._leases[lease.model_id] -= 1
        self._look_after(lease.model_id)

    # -- one in place of another --------------------------------------------------------------

    def expect(self, model_id: str) -> None:
        """Utterances that begin from now on wait for this model, paced like the current one."""
        assert self.current is not None
        self._expected = (model_id, self.current.pace)
        self._host.hold(model_id)

    async def unload_current(self, limit_s: float) -> None:
        """Have the current model's last utterances end, then unload it.

        Raises EngineError, and the model stays: `still_busy` where that takes longer than
        `limit_s` (a decode hangs), `unload_failed`.
        """
        model_id = self.current_id
        assert model_id is not None
        if model_id not in self._loaded:
            return
        try:
            async with asyncio.timeout(limit_s):
                while self._leases[model_id] > 0:
                    self._free.clear()
                    await self._free.wait()
                await self._host.detach(model_id)
        except TimeoutError as error:
            raise _still_busy(model_id) from error
        loaded = self._loaded[model_id]
        try:
            await self._close(model_id, loaded)
        except EngineError:
            self._host.attach(model_id, loaded.engine)
            raise
        del self._loaded[model_id]
        self.current_id = self.current = None

    def give_up_expected(self) -> None:
        """The expected model does not come: its utterances are the current one's, if that is."""
        assert self._expected is not None
        model_id, _ = self._expected
        self._expected = None
        answers = self.current_id if self.current_id in self._loaded else None
        if answers is not None:
            for lease in self._waiting:
                self._leases[lease.model_id] -= 1
                lease.model_id = answers
                self._leases[answers] += 1
        self._waiting.clear()
        self._host.reroute(model_id, answers)

    # -- leaving ------------------------------------------------------------------------------

    async def unload_idle(self, limit_s: float) -> None:
        """Unload at once what nobody holds, to make room; what hangs longer stays counted."""
        for model_id in [name for name in self._loaded if self._is_idle(name)]:
            self._keep(model_id)
            self._leave(model_id)
        if self._leaving:
            await asyncio.wait(self._leaving.values(), timeout=limit_s)

    async def left(self, model_id: str, limit_s: float) -> None:
        """Wait for a model that is just being unloaded. Raises EngineError `still_busy`."""
        if model_id in self._leaving:
            _, late = await asyncio.wait([self._leaving[model_id]], timeout=limit_s)
            if late:
                raise _still_busy(model_id)

    async def close(self, grace_s: float) -> None:
        """Unload everything; an engine that is busy for longer is left to the process's end."""
        for model_id in tuple(self._timers):
            self._keep(model_id)
        if self._leaving:
            await asyncio.wait(self._leaving.values(), timeout=grace_s)
        self.current_id = self.current = None
        leaving = [self._unload(name, self._loaded.pop(name)) for name in tuple(self._loaded)]
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*leaving)
        except (TimeoutError, EngineError) as error:
            logger.error("a model was not unloaded: %s", str(error) or "it is still busy")

    def _is_idle(self, model_id: str) -> bool:
        return model_id != self.current_id and self._leases[model_id] == 0

    def _look_after(self, model_id: str) -> None:
        """Somebody let go: perhaps nobody holds it any more."""
        if self._leases[model_id] == 0:
            self._free.set()
        if model_id not in self._loaded or not self._is_idle(model_id):
            return
        if self._keep_s > 0:
            loop = asyncio.get_running_loop()
            self._keep(model_id)
            self._timers[model_id] = loop.call_later(self._keep_s, self._on_timer, model_id)
        else:
            self._leave(model_id)

    def _on_timer(self, model_id: str) -> None:
        del self._timers[model_id]
        if model_id in self._loaded and self._is_idle(model_id):
            self._leave(model_id)

    def _keep(self, model_id: str) -> None:
        timer = self._timers.pop(model_id, None)
        if timer is not None:
            timer.cancel()

    def _leave(self, model_id: str) -> None:
        loaded = self._going[model_id] = self._loaded.pop(model_id)
        work = self._unload(model_id, loaded)
        task = asyncio.create_task(work, name=f"unload {model_id}")
        self._leaving[model_id] = task
        task.add_done_callback(lambda _: self._on_left(model_id, task))

    def _on_left(self, model_id: str, task: asyncio.Task[None]) -> None:
        self._leaving.pop(model_id, None)
        self._going.pop(model_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("model %s was not unloaded: %s", model_id, error)

    async def _unload(self, model_id: str, loaded: Loaded) -> None:
        await self._host.detach(model_id)
        await self._close(model_id, loaded)

    async def _close(self, model_id: str, loaded: Loaded) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, loaded.engine.close)
        logger.info("model %s: unloaded", model_id)


def _still_busy(model_id: str) -> EngineError:
    return EngineError("still_busy", f"{model_id} is still busy; try again")
