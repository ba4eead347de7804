"""Models that share memory: kept for a while, or one in place of another."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from asr.memory_rule import Fit
from asr.reports import ModelError
from tests.support.model_bench import Bench, spec, until


async def test_a_model_left_stays_for_a_while_and_is_back_at_once() -> None:
    bench = Bench(keep_s=60)
    for name in ("a", "b", "a"):
        await bench.manager.load(name)
    assert bench.asked == ["a", "b"]
    assert set(bench.host.attached) == {"a", "b"}
    await bench.manager.close()
    assert all(engine.closed for engine in bench.engines)


async def test_a_model_that_nobody_uses_leaves_after_its_time() -> None:
    bench = Bench(keep_s=0.01)
    await bench.manager.load("a")
    await bench.manager.load("b")
    await until(lambda: set(bench.host.attached) == {"b"})
    await bench.manager.close()


async def test_a_model_kept_for_later_makes_room_for_one_that_is_wanted() -> None:
    bench = Bench(keep_s=60)
    bench.room = lambda loaded_mb: Fit.BESIDE if loaded_mb <= 100 else Fit.INSTEAD
    for name in ("a", "b", "c"):
        await bench.manager.load(name)
    assert [engine.closed for engine in bench.engines] == [True, False, False]
    assert bench.host.held == []
    await bench.manager.close()


async def test_what_is_taken_is_measured() -> None:
    bench = Bench()
    await bench.manager.load("a")
    measured = bench.manager.current_measurement
    assert measured is not None
    assert (measured.memory_mb, measured.rtf) == (100, 0.02)
    listed = {listing.spec.id: listing.measurement for listing in await bench.manager.listing()}
    assert (listed["a"], listed["b"]) == (measured, None)
    await bench.manager.close()


async def test_a_model_that_fits_nowhere_is_refused_with_the_figures() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.fits = Fit.NOT_AT_ALL
    with pytest.raises(ModelError, match="no room") as caught:
        await bench.manager.load("b")
    assert caught.value.code == "out_of_memory"
    assert (bench.manager.current, bench.asked) == (spec("a"), ["a"])
    await bench.manager.close()


async def test_where_both_do_not_fit_utterances_end_before_the_old_model_leaves() -> None:
    bench = Bench()
    await bench.manager.load("a")
    before = bench.manager.acquire()
    bench.fits = Fit.INSTEAD
    load = await bench.begin("b")
    await until(lambda: bench.host.held == ["b"])
    meanwhile = bench.manager.acquire()
    assert (before.model_id, meanwhile.model_id) == ("a", "b")
    assert bench.manager.pace_of("b") == bench.manager.pace_of("a")
    assert bench.asked == ["a"], "the new one waits for the old one's utterance"
    before.release()
    await load
    assert bench.engines[0].closed
    assert bench.manager.current == spec("b")
    assert (set(bench.host.attached), bench.host.rerouted) == ({"b"}, [])
    meanwhile.release()
    await bench.manager.close()


async def test_a_model_that_does_not_come_in_the_place_of_another_gives_it_back() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.fits = Fit.INSTEAD
    bench.broken.add("b")
    held = bench.manager.acquire()
    load = await bench.begin("b")
    await until(lambda: bench.host.held == ["b"])
    meanwhile = bench.manager.acquire()
    held.release()
    with pytest.raises(ModelError, match="the file is damaged"):
        await load
    assert bench.host.rerouted == [("b", "a")]
    assert meanwhile.model_id == "a"
    assert bench.asked == ["a", "b", "a"]
    assert bench.manager.current == spec("a")
    bench.fits = Fit.BESIDE
    await bench.manager.load("c")
    assert "a" in bench.host.attached, "an utterance still holds it"
    meanwhile.release()
    await until(lambda: set(bench.host.attached) == {"c"})
    await bench.manager.close()


async def test_where_nothing_comes_back_what_waits_fails() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.fits = Fit.INSTEAD
    bench.broken |= {"a", "b"}
    with pytest.raises(ModelError):
        await bench.manager.load("b")
    assert bench.host.rerouted == [("b", None)]
    bench.broken.clear()
    await bench.manager.load("c")
    assert bench.manager.current == spec("c")
    await bench.manager.close()


async def test_a_shutdown_while_one_waits_for_the_other_ends() -> None:
    bench = Bench()
    await bench.manager.load("a")
    lease = bench.manager.acquire()
    bench.fits = Fit.INSTEAD
    load = await bench.begin("b")
    await until(lambda: bench.host.held == ["b"])
    await bench.manager.close()
    with pytest.raises(ModelError, match="the server shuts down"):
        await load
    lease.release()
    assert bench.engines[0].closed


async def test_a_model_that_stays_busy_keeps_its_place() -> None:
    bench = Bench(drain_limit_s=0.02)
    await bench.manager.load("a")
    stuck = bench.manager.acquire()
    bench.fits = Fit.INSTEAD
    load = await bench.begin("b")
    await until(lambda: bench.host.held == ["b"])
    meanwhile = bench.manager.acquire()
    with pytest.raises(ModelError, match="a is still busy") as caught:
        await load
    assert caught.value.code == "still_busy"
    assert (meanwhile.model_id, bench.host.rerouted) == ("a", [("b", "a")])
    assert (bench.manager.current, bench.asked) == (spec("a"), ["a"])
    stuck.release()
    meanwhile.release()
    await bench.manager.load("b")
    assert bench.manager.current == spec("b")
    await bench.manager.close()


async def test_a_model_held_beside_counts_when_another_takes_the_place_of_the_current() -> None:
    bench = Bench()
    await bench.manager.load("a")
    _, beside = await bench.manager.load_beside("b")
    assert bench.manager.current == spec("a")
    bench.room = lambda loaded_mb: Fit.BESIDE if loaded_mb == 0 else Fit.INSTEAD
    with pytest.raises(ModelError, match="no room") as caught:
        await bench.manager.load("c")
    assert caught.value.code == "out_of_memory"
    assert bench.manager.current == spec("a")
    beside.release()
    await bench.manager.load("c")
    assert bench.manager.current == spec("c")
    await bench.manager.close()


async def test_a_model_loaded_beside_stays_as_long_as_it_is_held() -> None:
    bench = Bench()
    await bench.manager.load("a")
    report, lease = await bench.manager.load_beside("b")
    assert (report.spec, bench.manager.current) == (spec("b"), spec("a"))
    assert set(bench.host.attached) == {"a", "b"}
    await bench.manager.load("c")
    await until(lambda: set(bench.host.attached) == {"b", "c"})
    lease.release()
    await until(lambda: set(bench.host.attached) == {"c"})
    await bench.manager.close()


async def test_who_wants_it_to_answer_outweighs_who_wants_it_beside() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    beside = asyncio.create_task(bench.manager.load_beside("b"))
    await until(lambda: bench.asked == ["a", "b"])
    answering = await bench.begin("b")
    bench.gate.set()
    await answering
    _, lease = await beside
    assert bench.manager.current == spec("b")
    lease.release()
    await bench.manager.close()


async def test_who_wants_one_beside_does_not_cancel_what_others_asked_for() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.gate.clear()
    wanted = await bench.begin("gone")
    with pytest.raises(ModelError) as caught:
        await bench.manager.load_beside("b")
    assert caught.value.code == "busy"
    bench.gate.set()
    assert (await wanted).spec == spec("gone")
    await bench.manager.close()


async def test_a_model_that_does_not_come_back_is_not_said_to_answer() -> None:
    bench = Bench()
    await bench.manager.load("a")
    bench.fits = Fit.INSTEAD
    bench.broken |= {"a", "b"}
    with pytest.raises(ModelError):
        await bench.manager.load("b")
    assert (bench.manager.current, bench.manager.current_info) == (None, None)
    with pytest.raises(ModelError, match="no model is loaded"):
        bench.manager.acquire()
    bench.broken.clear()
    await bench.manager.load("a")
    assert (bench.manager.current, bench.asked[-1]) == (spec("a"), "a")
    await bench.manager.close()


async def test_the_embedded_model_answers_where_neither_comes() -> None:
    embedded = replace(spec("c"), embedded=True)
    bench = Bench(catalogue={"a": spec("a"), "b": spec("b"), "c": embedded})
    await bench.manager.load("a")
    bench.fits = Fit.INSTEAD
    bench.broken |= {"a", "b"}
    with pytest.raises(ModelError):
        await bench.manager.load("b")
    assert (bench.manager.current, bench.host.rerouted) == (embedded, [("b", "c")])
    await bench.manager.close()


async def test_a_model_that_does_not_leave_holds_up_nobody_for_ever() -> None:
    bench = Bench(drain_limit_s=0.02)
    await bench.manager.load("a")
    bench.host.stuck = True
    await bench.manager.load("b")
    with pytest.raises(ModelError, match="a is still busy"):
        await bench.manager.load("a")
    await bench.manager.load("c")
    assert bench.manager.current == spec("c")
    bench.host.stuck = False
    await bench.manager.close()
