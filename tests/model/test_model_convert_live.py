"""The whole server fetches and converts a model of the transformers library while people speak."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from asr.convert_packages import SIDE_VENV, find_convert_python
from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.dataset import load_clips
from server.app import App
from server.loop_lag import LoopLag
from server.model_store import Hub, ModelStore
from server.package_check import ROOT
from server.settings import Settings
from tests.support.children import python_children
from tests.support.hub_server import HubServer
from tests.support.running_server import RunningServer, serving
from tests.support.speaking import answered, final_of, say, say_all, troubles
from tests.support.transformers_whisper import back_to_transformers

pytestmark = [pytest.mark.convert, pytest.mark.timeout(600)]

REPO = "owner/base"
CATALOGUE = """\
- {id: whisper-base, name: Base, repo: openai/whisper-base, format: ct2, embedded: true}
- {id: converted, name: Converted, repo: owner/base, format: transformers}
"""
MODELS = ("whisper-base", "converted", "whisper-base", "converted")
CLIPS = 6
REAL_TIME_S = 0.1
PAUSE = bytes(32_000)
CPU_LATE_MS, LATE_MS = 30.0, 1_000.0
"""Of the loop. Bounds for a process that has run other tests, beside other programs: reading a
tokenizer or a file of weights there takes longer. docs/measurements.md has figures."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    if find_convert_python(ROOT) is None:
        pytest.skip(f"no torch and transformers in {SIDE_VENV} (bash run_tests.sh --convert)")
    embedded = ensure_embedded_model(default_cache_dir())
    made = back_to_transformers(embedded, tmp_path_factory.mktemp("base"))
    with HubServer({REPO: {path.name: path for path in made.iterdir()}}) as server:
        yield server


@asynccontextmanager
async def server_of(hub: HubServer, tmp_path: Path) -> AsyncIterator[RunningServer]:
    catalogue = tmp_path / "models.yaml"
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "admit_latency_s": 0.0,  # a busy machine is no failure
            "model": "whisper-base",
            "models_file": str(catalogue),
            "cache_dir": str(tmp_path / "cache"),
            "profile": "fast",
            "keep_model_s": 0.0,
        }
    )
    make_source = partial(ModelStore, hub=Hub(hub.endpoint, tmp_path / "hub"))
    async with serving(App(settings, make_source)) as server:
        yield server


@asynccontextmanager
async def loop_watched() -> AsyncIterator[tuple[LoopLag, LoopLag]]:
    """How late the loop is: in CPU time of its thread, and by the clock.

    In CPU time it is late by what callbacks use beyond the 20 ms of an interval, whatever else the
    machine does.
    """
    lags = (LoopLag(time.thread_time), LoopLag(time.monotonic))
    tasks = [asyncio.create_task(lag.run(), name="loop lag") for lag in lags]
    yield lags
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_it_comes_from_the_hub_and_takes_over_without_a_lost_word(
    hub: HubServer, thai_eval_dir: Path, tmp_path: Path
) -> None:
    clips = load_clips(thai_eval_dir / "dev.jsonl")[:CLIPS]
    data = 2 * b"".join(clip.samples().tobytes() + PAUSE for clip in clips)
    async with server_of(hub, tmp_path) as server, server.control() as control:
        async with server.audio("?events=all&session=before") as audio:
            expected = await say_all(audio, data)
        async with server.audio() as audio, loop_watched() as (by_cpu, by_clock):
            speaking = asyncio.create_task(say(audio, data, REAL_TIME_S))
            for before, model_id in itertools.pairwise(MODELS):
                await final_of(audio, before)
                await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            await speaking
            assert await say_all(audio, b"") == expected
            assert answered(audio) == [*MODELS]
            assert troubles(audio) == []
            assert by_cpu.worst_ms < CPU_LATE_MS
            assert by_clock.worst_ms < LATE_MS
        told = [event for event in control.events if event["type"] == "model_progress"]
        phases = [name for name, _ in itertools.groupby(event["phase"] for event in told)]
        assert phases[:5] == ["downloading", "converting", "on_disk", "loading", "measuring"]
        converting = [event for event in told if event["phase"] == "converting"]
        assert converting[-1]["done_bytes"] == converting[-1]["total_bytes"] > 0


async def test_a_conversion_can_be_cancelled_and_begun_again(
    hub: HubServer, tmp_path: Path
) -> None:
    async with server_of(hub, tmp_path) as server, server.control() as control:
        await control.send({"type": "load_model", "model_id": "converted"})
        await control.until("model_progress", lambda event: event["phase"] == "converting")
        await control.send({"type": "cancel_load", "model_id": "converted"})
        await control.until("model_progress", lambda event: event["phase"] == "cancelled")
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "whisper-base"
        assert python_children() == []
        assert not list((tmp_path / "cache").rglob("*.making"))
        await control.ask({"type": "load_model", "model_id": "converted"}, "model_loaded")
