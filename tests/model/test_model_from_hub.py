"""The whole server fetches a real model from a hub on localhost while people speak Thai."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from asr.embedded_model import ensure_embedded_model
from benchmarks.dataset import load_clips
from benchmarks.scoring import cer, corpus_cer
from server.app import App
from server.model_store import Hub, ModelStore
from server.settings import Settings
from tests.support.hub_server import HubServer
from tests.support.running_server import Client, RunningServer, serving
from tests.support.speech import pieces

pytestmark = pytest.mark.model

REPO = "owner/base"
FILES = ("model.bin", "config.json", "vocabulary.json")
"""The tokenizer is not among them: such repositories exist, and it is made."""

CATALOGUE = """\
- {id: whisper-base, name: Base, repo: openai/whisper-base, format: ct2, embedded: true}
- {id: from-hub, name: From the hub, repo: owner/base, format: ct2}
"""
LOAD = {"type": "load_model", "model_id": "from-hub"}
BYTES_PER_S = 60e6
CER_CEILING = 0.40


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def files(cache_dir: Path) -> dict[str, Path]:
    folder = ensure_embedded_model(cache_dir)
    return {name: folder / name for name in FILES}


@pytest.fixture
def hub(files: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer({REPO: files}) as server:
        server.faults.bytes_per_s = BYTES_PER_S
        yield server


@asynccontextmanager
async def server_of(
    hub: HubServer, tmp_path: Path, cache_dir: Path, model: str = "whisper-base"
) -> AsyncIterator[RunningServer]:
    catalogue = tmp_path / "models.yaml"
    catalogue.write_text(CATALOGUE, encoding="utf-8")
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "admit_latency_s": 0.0,  # a busy machine is no failure
            "model": model,
            "models_file": str(catalogue),
            "cache_dir": str(cache_dir),
            "profile": "fast",
        }
    )
    where = Hub(hub.endpoint, tmp_path / "hub")
    make_source = partial(ModelStore, hub=where)
    async with serving(App(settings, make_source)) as server:
        yield server


async def until_phase(control: Client, phase: str) -> dict[str, object]:
    return await control.until("model_progress", lambda event: event["phase"] == phase)


async def until_half(control: Client) -> None:
    await control.until(
        "model_progress", lambda event: event.get("done_bytes", 0) > 0.4 * event["total_bytes"]
    )


async def test_the_wanted_model_comes_while_somebody_speaks(
    hub: HubServer, thai_eval_dir: Path, tmp_path: Path, cache_dir: Path
) -> None:
    clips = load_clips(thai_eval_dir / "dev.jsonl")[:4]
    async with (
        server_of(hub, tmp_path, cache_dir, model="from-hub") as server,
        server.control() as control,
        server.audio() as audio,
    ):
        assert (await control.until("connected"))["current_model"] == "whisper-base"
        for clip in clips:
            for piece in pieces(clip.samples().tobytes() + bytes(32_000), 3_200):
                await audio.send(piece)
                await asyncio.sleep(0.1)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        await control.until("model_loaded")
        spoken_of = {
            event["utterance_id"]
            for event in audio.events
            if event["type"] == "realtime_transcription"
        }
        assert spoken_of <= {final["utterance_id"] for final in audio.finals()}
        models = [final["model_id"] for final in audio.finals()]
        assert (models[0], models[-1]) == ("whisper-base", "from-hub")
        spoken = " ".join(clip.text for clip in clips)
        assert corpus_cer([cer(spoken, " ".join(audio.texts()))]) < CER_CEILING
        assert not {"error", "gap"} & {event["type"] for event in audio.events}
        async with server.control() as late:
            assert (await late.until("connected"))["current_model"] == "from-hub"


async def test_a_server_that_ended_at_half_fetches_only_the_rest(
    hub: HubServer, files: dict[str, Path], tmp_path: Path, cache_dir: Path
) -> None:
    async with server_of(hub, tmp_path, cache_dir) as server, server.control() as control:
        await control.send(LOAD)
        await until_half(control)
    hub.faults.bytes_per_s = None
    async with server_of(hub, tmp_path, cache_dir) as server, server.control() as control:
        loaded = await control.ask(LOAD, "model_loaded")
        assert loaded["load_figures"]["memory_mb"] > 50
    first, second = hub.fetched("model.bin")
    whole = files["model.bin"].stat().st_size
    assert first.start == 0
    assert second.start > 0.4 * whole
    assert second.sent_bytes == whole - second.start


async def test_what_is_cancelled_or_damaged_leaves_the_old_model_answering(
    hub: HubServer, tmp_path: Path, cache_dir: Path
) -> None:
    async with server_of(hub, tmp_path, cache_dir) as server, server.control() as control:
        await control.send(LOAD)
        await until_half(control)
        await control.send({"type": "cancel_load", "model_id": "from-hub"})
        await until_phase(control, "cancelled")
        hub.faults.bytes_per_s = None
        hub.faults.corrupt.add("model.bin")
        error = await control.ask(LOAD, "error")
        while error["code"] == "cancelled":
            error = await control.until("error")
        assert error["code"] == "checksum_mismatch"
        hub.faults.corrupt.clear()
        hub.faults.gated.add(REPO)
        assert (await control.ask(LOAD, "error"))["code"] == "gated_model"
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "whisper-base"
        hub.faults.gated.clear()
        await control.ask(LOAD, "model_loaded")
