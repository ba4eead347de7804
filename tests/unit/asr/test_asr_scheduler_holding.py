"""The scheduler while one model takes the place of another."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from asr.types import DecodeKind, DecodeResult
from audio.types import SAMPLE_RATE_HZ
from tests.support.scheduler_bench import bench, codes, request

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(20)]


async def test_what_is_held_is_decoded_once_the_model_is_there_finals_first() -> None:
    async with bench(max_batch=1) as b:
        await b.scheduler.detach("m")
        b.scheduler.hold("m")
        partial, final = request("a", DecodeKind.PARTIAL), request("b")
        b.submit(partial, final)
        await asyncio.sleep(0)
        assert b.outcomes.empty()
        b.gate.set()
        b.scheduler.attach("m", b.engine)
        outcomes = await b.collect(2)
        assert codes(outcomes) == ["DecodeResult"] * 2
        assert [batch[0] for batch in b.engine.batches] == [final, partial]


async def test_what_is_held_goes_to_another_model_which_then_says_its_name() -> None:
    async with bench() as b:
        b.scheduler.hold("wanted")
        waits = request("a", model_id="wanted")
        b.submit(waits)
        b.gate.set()
        b.scheduler.reroute("wanted", "m")
        [outcome] = (await b.collect(1)).values()
        assert isinstance(outcome, DecodeResult)
        assert (outcome.model_id, outcome.request.model_id) == ("m", "wanted")


async def test_what_is_held_fails_where_no_model_can_answer() -> None:
    async with bench() as b:
        b.scheduler.hold("wanted")
        b.submit(request("a", model_id="wanted"))
        b.scheduler.reroute("wanted", None)
        assert codes(await b.collect(1)) == ["model_not_loaded"]


async def test_what_is_held_can_be_retired_and_ends_with_the_scheduler() -> None:
    async with bench() as b:
        b.scheduler.hold("wanted")
        b.submit(request("a", model_id="wanted"), request("b", model_id="wanted"))
        b.scheduler.retire("a", 0, 1, None)
        assert codes(await b.collect(1)) == ["DecodeDropped"]
        await b.scheduler.close()
        assert codes(await b.collect(1)) == ["shutting_down"]


async def test_however_much_was_held_all_of_it_is_decoded() -> None:
    long = np.zeros(30 * SAMPLE_RATE_HZ, np.float32)
    async with bench() as b:
        await b.scheduler.detach("m")
        b.scheduler.hold("m")
        b.submit(*[request(str(number), audio=long) for number in range(24)])  # 720 s
        b.gate.set()
        b.scheduler.attach("m", b.engine)
        assert codes(await b.collect(24)) == ["DecodeResult"] * 24


async def test_where_every_worker_hangs_on_what_was_rerouted_its_own_requests_fail_too() -> None:
    async with bench(decode_timeout_s=0.05) as b:
        b.gate.clear()
        b.scheduler.hold("wanted")
        b.submit(request("a", model_id="wanted"))
        b.scheduler.reroute("wanted", "m")
        await b.started.get()
        own = request("b")
        b.submit(own)
        outcomes = await b.collect(2)
        assert codes(outcomes) == ["decode_timeout"] * 2
        assert own in outcomes
        b.gate.set()
