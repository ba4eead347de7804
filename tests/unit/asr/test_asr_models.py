from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from asr.calibration import DecodeCosts, Pace, PaceWishes, choose
from asr.engine import Engine, EngineError, EngineInfo, Prepared, TrialLoad, TrialTime
from asr.load_machine import LoadPhase, LoadProgress
from asr.models import ModelError, ModelManager
from asr.types import DecodeRequest, Hypothesis, ModelFormat, ModelSpec, ModelState


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

    def attach(self, model_id: str, engine: Engine) -> None:
        assert model_id not in self.attached
        self.attached[model_id] = engine

    async def detach(self, model_id: str) -> None:
        await asyncio.sleep(0)
        del self.attached[model_id]


class Bench:
    """A manager over fake engines; `gate` holds loads until it is set."""

    def __init__(self) -> None:
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
        self.manager = ModelManager(
            catalogue={name: spec(name) for name in ("a", "b", "c", "gone")},
            engine_factory=self.make,
            pacer=self.pace,
            locate=lambda wanted: None if wanted.id == "gone" else Path("x"),
            host=self.host,
            clock=iter_clock(),
            on_progress=self.progress.append,
        )

    def make(self, wanted: ModelSpec) -> Engine:
        self.asked.append(wanted.id)
        assert self.gate.wait(10)
        if wanted.id in self.broken:
            raise EngineError("model_load_failed", "the file is damaged")
        if wanted.id == "gone":
            raise ZeroDivisionError("a defect")
        self.engines.append(FakeEngine(wanted.id))
        return self.engines[-1]

    def pace(self, wanted: ModelSpec, engine: Engine) -> Pace:
        assert isinstance(engine, FakeEngine)
        self.paced.append((wanted.id, engine.decoded))
        wishes = PaceWishes(None, first_partial_ms=600, partial_interval_ms=1_000)
        return choose(DecodeCosts(self.partial_s), engine.info, wishes)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (what is waited for has no event)
            await asyncio.sleep(0.001)


def unwanted(wanted: ModelSpec) -> Path | None:
    raise AssertionError(f"{wanted.id} was looked for")


def iter_clock() -> Callable[[], float]:
    ticks: Iterator[float] = iter(float(n) for n in range(1_000))
    return lambda: next(ticks)


def spec(name: str) -> ModelSpec:
    return ModelSpec(name, name, "", f"repo/{name}", ModelFormat.CT2, "fast")


async def test_load_warms_up_and_makes_current() -> None:
    bench = Bench()
    assert bench.manager.current is None
    report = await bench.manager.load("a")
    assert (report.spec.id, report.load_s > 0) == ("a", True)
    assert bench.engines[0].decoded == 1
    assert bench.manager.current == spec("a")
    assert bench.manager.current_info == bench.engines[0].info
    await bench.manager.close()
    assert bench.engines[0].closed
    assert bench.host.attached == {}


async def test_each_load_is_paced_once_after_its_warm_up() -> None:
    bench = Bench()
    assert bench.manager.current_pace is None
    await bench.manager.load("a")
    await bench.manager.load("a")
    lease = bench.manager.acquire()
    bench.partial_s = 1.0
    await bench.manager.load("b")
    assert bench.paced == [("a", 1), ("b", 1)]
    assert bench.manager.pace_of("a").partial_interval_ms == 1_000
    assert bench.manager.pace_of("b").partial_interval_ms == 1_200
    assert bench.manager.current_pace == bench.manager.pace_of("b")
    lease.release()
    await bench.manager.close()


async def test_an_utterance_keeps_its_model_through_a_switch() -> None:
    bench = Bench()
    await bench.manager.load("a")
    lease = bench.manager.acquire()
    await bench.manager.load("b")
    assert lease.model_id == "a"
    assert set(bench.host.attached) == {"a", "b"}
    lease.release()
    lease.release()  # a second release must not free what others hold
    await until(lambda: set(bench.host.attached) == {"b"})
    await bench.manager.close()
    assert all(engine.closed for engine in bench.engines)


async def test_going_back_to_a_model_that_is_still_held_loads_nothing() -> None:
    bench = Bench()
    await bench.manager.load("a")
    lease = bench.manager.acquire()
    await bench.manager.load("b")
    await bench.manager.load("a")
    assert [engine.info.model_id for engine in bench.engines] == ["a", "b"]
    lease.release()
    assert bench.manager.current == spec("a")
    await bench.manager.close()


async def test_a_failing_load_keeps_the_old_model_and_says_why() -> None:
    bench = Bench()
    bench.broken.add("b")
    await bench.manager.load("a")
    with pytest.raises(ModelError, match=r"^Failed to load model b: the file is damaged"):
        await bench.manager.load("b")
    assert bench.manager.current == spec("a")
    with pytest.raises(ModelError, match=r"^Failed to load model gone: ZeroDivisionError"):
        await bench.manager.load("gone")
    bench.broken.clear()
    await bench.manager.load("b")
    assert bench.manager.current == spec("b")
    await bench.manager.close()


async def test_a_client_that_leaves_during_its_load_does_not_stop_it() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    asker = asyncio.create_task(bench.manager.load("b"))
    await asyncio.sleep(0)
    asker.cancel()
    await asyncio.gather(asker, return_exceptions=True)
    bench.gate.set()
    report = await bench.manager.load("b")
    assert report.spec.id == "b"
    assert len(bench.engines) == 2
    await bench.manager.close()


async def test_listing_says_where_each_model_stands() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    loading = asyncio.create_task(bench.manager.load("b"))
    await asyncio.sleep(0)
    states = {listing.spec.id: listing.state for listing in await bench.manager.listing()}
    assert states == {
        "a": ModelState.READY,
        "b": ModelState.LOADING,
        "c": ModelState.ON_DISK,
        "gone": ModelState.REMOTE,
    }
    bench.gate.set()
    await loading
    await bench.manager.close()


async def test_superseded_requests_are_told() -> None:
    bench = Bench()
    bench.gate.clear()
    first = asyncio.create_task(bench.manager.load("a"))
    await asyncio.sleep(0)
    second = asyncio.create_task(bench.manager.load("b"))
    await asyncio.sleep(0)
    third = asyncio.create_task(bench.manager.load("c"))
    await asyncio.sleep(0)
    bench.gate.set()
    with pytest.raises(ModelError, match="another model"):
        await second
    assert (await first).spec.id == "a"
    assert (await third).spec.id == "c"
    await bench.manager.close()


async def test_no_model_is_an_error_and_not_silence() -> None:
    bench = Bench()
    with pytest.raises(ModelError) as caught:
        bench.manager.acquire()
    assert caught.value.code == "no_model"
    await bench.manager.close()


async def test_closing_answers_whoever_waits_for_a_load() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    waiting = [asyncio.create_task(bench.manager.load(name)) for name in ("b", "c")]
    await until(lambda: bench.asked == ["a", "b"])
    closing = asyncio.create_task(bench.manager.close(grace_s=10))
    for task in waiting:
        with pytest.raises(ModelError, match=r"^Failed to load model .: the server shuts down"):
            await task
    bench.gate.set()
    await closing
    assert bench.engines[0].closed


async def test_a_model_that_does_not_unload_is_reported_and_can_be_loaded_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.engines[0].stuck = True
    await bench.manager.load("b")
    await until(lambda: "model a was not unloaded: a is still busy" in caplog.text)
    await bench.manager.load("a")
    assert [engine.info.model_id for engine in bench.engines] == ["a", "b", "a"]
    await bench.manager.close()


async def test_the_embedded_model_is_on_disk_without_a_look() -> None:
    bench = Bench()
    manager = ModelManager(
        catalogue={"base": replace(spec("base"), embedded=True, size_mb=150)},
        engine_factory=bench.make,
        pacer=bench.pace,
        locate=unwanted,
        host=bench.host,
        clock=iter_clock(),
        on_progress=bench.progress.append,
    )
    (listed,) = await manager.listing()
    assert (listed.state, listed.size_mb) == (ModelState.ON_DISK, 150)
    await manager.close()


async def test_a_listing_does_not_hold_up_the_loop() -> None:
    bench, goes_on = Bench(), threading.Event()

    def slow(_: ModelSpec) -> Path | None:
        assert goes_on.wait(10)
        return None

    manager = ModelManager(
        catalogue={"a": spec("a")},
        engine_factory=bench.make,
        pacer=bench.pace,
        locate=slow,
        host=bench.host,
        clock=iter_clock(),
        on_progress=bench.progress.append,
    )
    listing = asyncio.create_task(manager.listing())
    await asyncio.sleep(0)
    goes_on.set()  # not reached in time if the look-up ran on the loop
    (listed,) = await listing
    assert listed.state is ModelState.REMOTE
    await manager.close()


async def test_a_load_tells_its_phases_and_one_that_fails_why() -> None:
    bench = Bench()
    await bench.manager.load("a")
    await bench.manager.load("a")
    bench.broken.add("b")
    with pytest.raises(ModelError) as refused:
        await bench.manager.load("b")
    assert bench.progress == [
        LoadProgress("a", LoadPhase.LOADING),
        LoadProgress("a", LoadPhase.MEASURING),
        LoadProgress("b", LoadPhase.LOADING),
        LoadProgress("b", LoadPhase.FAILED, refused.value.message),
    ]
    await bench.manager.close()


async def test_a_superseded_wish_has_no_phases() -> None:
    bench = Bench()
    bench.gate.clear()
    loads = [asyncio.create_task(bench.manager.load(name)) for name in "abc"]
    await asyncio.sleep(0)
    bench.gate.set()
    await asyncio.gather(*loads, return_exceptions=True)
    assert [progress.model_id for progress in bench.progress] == ["a", "a", "c", "c"]
    await bench.manager.close()
