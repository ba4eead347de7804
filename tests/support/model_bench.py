"""A model manager over fake engines and fake files."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from asr.calibration import DecodeCosts, Pace, PaceWishes, choose
from asr.engine import Engine, EngineError, EngineInfo, Prepared, TrialLoad, TrialTime
from asr.load_machine import LoadPhase, LoadProgress
from asr.load_requests import Accept
from asr.loading import Loader
from asr.memory_rule import Fit, FitVerdict
from asr.model_source import TellFetch
from asr.models import ModelManager
from asr.reports import LoadReport
from asr.transfer import Transfer
from asr.types import DecodeRequest, Hypothesis, ModelFormat, ModelSpec


class FakeEngine:
    """Counts what is asked of it."""

    def __init__(self, model_id: str) -> None:
        self.info = EngineInfo(model_id, "cpu", "int8", workers=1, max_batch=4)
        self.decoded = 0
        self.closed = False
        self.stuck = False

    def prepare(self, request: DecodeRequest) -> Prepared:
        return Prepared(request, "key", None)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        self.decoded += len(batch)
        return [Hypothesis("", (), 0.0, 1.0, truncated=False) for _ in batch]

    def time_decode(self, load: TrialLoad) -> TrialTime:
        raise AssertionError("the pacer of these tests does not measure")

    def close(self) -> None:
        if self.stuck:
            raise EngineError("unload_failed", f"{self.info.model_id} is still busy")
        self.closed = True


class FakeHost:
    """The scheduler's side: which engines are attached."""

    def __init__(self) -> None:
        self.attached: dict[str, Engine] = {}
        self.held: list[str] = []
        self.stuck = False
        self.old_engine_free = asyncio.Event()
        self.old_engine_free.set()
        self.rerouted: list[tuple[str, str | None]] = []

    def attach(self, model_id: str, engine: Engine) -> None:
        assert model_id not in self.attached
        self.attached[model_id] = engine

    async def detach(self, model_id: str) -> None:
        await asyncio.sleep(0)
        while self.stuck:  # noqa: ASYNC110  (a decode that hangs tells nobody)
            await asyncio.sleep(0.001)
        del self.attached[model_id]

    def exchange(self, model_id: str, engine: Engine) -> asyncio.Task[None] | None:
        if model_id not in self.attached:
            return None
        self.attached[model_id] = engine
        return asyncio.create_task(self._old_engine_is_free())

    async def _old_engine_is_free(self) -> None:
        await self.old_engine_free.wait()

    def hold(self, model_id: str) -> None:
        assert model_id not in self.attached
        self.held.append(model_id)

    def reroute(self, model_id: str, answers: str | None) -> None:
        assert answers is None or answers in self.attached
        self.rerouted.append((model_id, answers))


class Bench:
    """A manager over fake engines; `gate` holds loads and fetches until it is set."""

    def __init__(
        self,
        *,
        keep_s: float = 0.0,
        drain_limit_s: float = 10.0,
        catalogue: dict[str, ModelSpec] | None = None,
    ) -> None:
        self.host = FakeHost()
        self.engines: list[FakeEngine] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []
        self.partial_s = 0.1
        self.paced: list[tuple[str, int]] = []
        """Model and how much it had decoded before."""
        self.broken: set[str] = set()
        self.progress: list[LoadProgress] = []
        self.missing = {"gone"}
        """Not on disk."""
        self.fetched: list[str] = []
        self.fits = Fit.BESIDE
        self.room: Callable[[int], Fit] = lambda loaded_mb: self.fits
        loader = Loader(
            self,
            pacer=self.pace,
            clock=iter_clock(),
            used_mb=lambda: 100 * len([e for e in self.engines if not e.closed]),
            judge=lambda _, loaded_mb: FitVerdict(self.room(loaded_mb), 100, 0, "no room"),
        )
        self.manager = ModelManager(
            catalogue=catalogue or {name: spec(name) for name in ("a", "b", "c", "gone")},
            source=self,
            loader=loader,
            host=self.host,
            on_progress=self.progress.append,
            keep_s=keep_s,
            drain_limit_s=drain_limit_s,
        )

    def locate(self, wanted: ModelSpec) -> Path | None:
        return None if wanted.id in self.missing else Path("x")

    def is_ready(self, wanted: ModelSpec) -> bool:
        return self.locate(wanted) is not None

    def fetch(self, wanted: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        self.fetched.append(wanted.id)
        tell(LoadPhase.DOWNLOADING, Transfer(1, 2))
        while not self.gate.wait(0.001):
            if cancelled.is_set():
                raise EngineError("cancelled", "it was cancelled")
        if wanted.id in self.broken:
            raise EngineError("no_network", "the hub cannot be reached")
        self.missing.discard(wanted.id)

    def open(self, wanted: ModelSpec) -> Engine:
        self.asked.append(wanted.id)
        assert self.gate.wait(10)
        if wanted.id in self.broken:
            raise EngineError("model_load_failed", "the file is damaged")
        if wanted.id == "defect":
            raise ZeroDivisionError("a defect")
        self.engines.append(FakeEngine(wanted.id))
        return self.engines[-1]

    def pace(self, wanted: ModelSpec, engine: Engine) -> Pace:
        assert isinstance(engine, FakeEngine)
        self.paced.append((wanted.id, engine.decoded))
        wishes = PaceWishes(None, first_partial_ms=600, partial_interval_ms=1_000)
        return choose(DecodeCosts(self.partial_s), engine.info, wishes)

    async def begin(self, model_id: str, accept: Accept | None = None) -> Load:
        """Ask for a model; the request has been taken when this returns."""
        task = asyncio.create_task(self.manager.load(model_id, accept))
        await asyncio.sleep(0)
        await self.manager.listing()  # looks at the same files after the request did
        return task


Load: TypeAlias = "asyncio.Task[LoadReport]"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.001)


def iter_clock() -> Callable[[], float]:
    ticks: Iterator[float] = iter(float(n) for n in range(1_000))
    return lambda: next(ticks)


def spec(name: str) -> ModelSpec:
    return ModelSpec(name, name, "", f"repo/{name}", ModelFormat.CT2, "fast")
