"""Models that have to be fetched first, through the manager."""

from __future__ import annotations

import asyncio

import pytest

from asr.calibration import Pace
from asr.load_machine import LoadPhase, LoadProgress
from asr.reports import ModelError
from asr.transfer import Transfer
from asr.types import ModelState
from tests.support.model_bench import Bench, spec, until


async def test_a_model_that_is_not_on_disk_is_fetched_and_then_answers() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.progress.clear()
    report = await bench.manager.load("gone")
    assert (report.spec, bench.manager.current) == (spec("gone"), spec("gone"))
    assert bench.progress == [
        LoadProgress("gone", LoadPhase.DOWNLOADING, transfer=Transfer(1, 2)),
        LoadProgress("gone", LoadPhase.ON_DISK),
        LoadProgress("gone", LoadPhase.LOADING),
        LoadProgress("gone", LoadPhase.MEASURING),
    ]
    await bench.manager.close()


async def test_a_fetch_that_fails_is_told_and_the_old_model_stays() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.broken.add("gone")
    with pytest.raises(ModelError, match=r"^Failed to load model gone: the hub") as caught:
        await bench.manager.load("gone")
    assert caught.value.code == "no_network"
    assert bench.progress[-1].phase is LoadPhase.FAILED
    assert bench.manager.current == spec("a")
    bench.broken.clear()
    await bench.manager.load("gone")
    assert bench.fetched == ["gone", "gone"]
    await bench.manager.close()


async def test_the_same_model_asked_for_twice_is_fetched_once() -> None:
    bench = Bench()
    bench.gate.clear()
    loads = [await bench.begin("gone"), await bench.begin("gone")]
    await until(lambda: bench.fetched == ["gone"])
    states = {listing.spec.id: listing.state for listing in await bench.manager.listing()}
    assert states["gone"] is ModelState.FETCHING
    bench.gate.set()
    assert {report.spec.id for report in await asyncio.gather(*loads)} == {"gone"}
    assert bench.fetched == ["gone"]
    await bench.manager.close()


async def test_another_model_answers_during_a_fetch_which_goes_on() -> None:
    bench = Bench()
    await bench.manager.load("a")
    await bench.manager.load("b")
    bench.gate.clear()
    far = await bench.begin("gone")
    await until(lambda: bench.fetched == ["gone"])
    await bench.manager.load("b")
    with pytest.raises(ModelError) as caught:
        await far
    assert caught.value.code == "superseded"
    bench.gate.set()
    await until(lambda: bench.progress[-1] == LoadProgress("gone", LoadPhase.ON_DISK))
    assert bench.manager.current == spec("b")
    await bench.manager.close()


async def test_a_cancelled_fetch_ends_and_whoever_asked_hears_of_it() -> None:
    bench = Bench()
    bench.gate.clear()
    far = await bench.begin("gone")
    await until(lambda: bench.fetched == ["gone"])
    assert await bench.manager.cancel("gone")
    assert not await bench.manager.cancel("gone"), "it stops already"
    with pytest.raises(ModelError) as caught:
        await far
    assert caught.value.code == "cancelled"
    await until(lambda: bench.progress[-1] == LoadProgress("gone", LoadPhase.CANCELLED))
    assert not await bench.manager.cancel("a")
    await bench.manager.close()


async def test_a_client_that_leaves_during_a_fetch_does_not_stop_it() -> None:
    bench = Bench()
    bench.gate.clear()
    asker = await bench.begin("gone")
    asker.cancel()
    await asyncio.gather(asker, return_exceptions=True)
    bench.gate.set()
    await until(lambda: bench.manager.current == spec("gone"))
    await bench.manager.close()


async def test_a_shutdown_stops_a_fetch_and_answers_whoever_waits() -> None:
    bench = Bench()
    bench.gate.clear()
    far = await bench.begin("gone")
    await until(lambda: bench.fetched == ["gone"])
    await bench.manager.close(grace_s=10)
    with pytest.raises(ModelError, match="the server shuts down"):
        await far
    with pytest.raises(ModelError, match="the server shuts down"):
        await bench.manager.load("gone")


def refuse(_: Pace) -> str:
    return "too slow for this machine"


async def test_a_model_that_is_too_slow_does_not_take_over_by_itself() -> None:
    bench = Bench()
    await bench.manager.load("a")
    with pytest.raises(ModelError, match="too slow for this machine") as caught:
        await bench.manager.load("b", refuse)
    assert caught.value.code == "too_slow"
    assert bench.manager.current == spec("a")
    assert [engine.closed for engine in bench.engines] == [False, True]
    await bench.manager.load("c", lambda _: None)
    assert bench.manager.current == spec("c")
    await bench.manager.close()


async def test_a_slow_model_that_somebody_asks_for_answers_all_the_same() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    by_itself = await bench.begin("b", refuse)
    asked_for = await bench.begin("b")
    bench.gate.set()
    assert (await by_itself).spec == (await asked_for).spec == bench.manager.current
    await bench.manager.close()
