from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from asr.load_machine import LoadPhase, LoadProgress
from asr.reports import ModelError
from asr.types import ModelSpec, ModelState
from tests.support.model_bench import Bench, spec, until


async def test_load_warms_up_and_makes_current() -> None:
    bench = Bench()
    assert bench.manager.current is None
    report = await bench.manager.load("a")
    assert (report.spec.id, report.measurement.load_s > 0) == ("a", True)
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
    bench = Bench(catalogue={name: spec(name) for name in ("a", "b", "defect")})
    bench.broken.add("b")
    await bench.manager.load("a")
    with pytest.raises(ModelError, match=r"^Failed to load model b: the file is damaged"):
        await bench.manager.load("b")
    assert bench.manager.current == spec("a")
    with pytest.raises(ModelError, match=r"^Failed to load model defect: ZeroDivisionError"):
        await bench.manager.load("defect")
    bench.broken.clear()
    await bench.manager.load("b")
    assert bench.manager.current == spec("b")
    await bench.manager.close()


async def test_a_client_that_leaves_during_its_load_does_not_stop_it() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    asker = await bench.begin("b")
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
    loading = await bench.begin("b")
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
    first, second, third = [await bench.begin(name) for name in "abc"]
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
    embedded = replace(spec("gone"), embedded=True, size_mb=150)
    bench = Bench(catalogue={"gone": embedded})
    (listed,) = await bench.manager.listing()
    assert (listed.state, listed.size_mb) == (ModelState.ON_DISK, 150)
    assert await bench.manager.is_ready("gone")
    await bench.manager.close()


async def test_a_listing_does_not_hold_up_the_loop() -> None:
    class SlowBench(Bench):
        goes_on = threading.Event()

        def locate(self, wanted: ModelSpec) -> Path | None:
            assert self.goes_on.wait(10)
            return None

    bench = SlowBench(catalogue={"a": spec("a")})
    listing = asyncio.create_task(bench.manager.listing())
    await asyncio.sleep(0)
    bench.goes_on.set()  # not reached in time if the look-up ran on the loop
    (listed,) = await listing
    assert listed.state is ModelState.REMOTE
    await bench.manager.close()


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
        LoadProgress("b", LoadPhase.FAILED, refused.value.message, code="model_load_failed"),
    ]
    await bench.manager.close()


async def test_a_superseded_wish_has_no_phases() -> None:
    bench = Bench()
    bench.gate.clear()
    loads = [await bench.begin(name) for name in "abc"]
    bench.gate.set()
    await asyncio.gather(*loads, return_exceptions=True)
    assert [progress.model_id for progress in bench.progress] == ["a", "a", "c", "c"]
    await bench.manager.close()
