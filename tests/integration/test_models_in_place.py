"""Models of which a GPU holds one at a time, with scripted engines and a made-up card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from asr.device import Memory
from asr.engine import Engine
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.device_probe import GPU_TYPES, RTX_3070, FakeProbe
from tests.support.running_server import (
    RunningServer,
    ScriptedModels,
    scripted_app,
    serving,
)
from tests.support.speaking import BLOCK_BYTES, answered, say, say_all, troubles
from tests.support.speech import pcm16, utterances

MODEL_MB = 5_000
CATALOGUE = """\
- {id: scripted, name: S, repo: t/s, format: ct2, vram_mb: 5000, embedded: true}
- {id: second, name: T, repo: t/t, format: ct2, vram_mb: 5000}
- {id: broken, name: B, repo: t/b, format: ct2, vram_mb: 5000}
- {id: huge, name: H, repo: t/h, format: ct2, vram_mb: 7000}
"""
PACE_S = 0.005
SAID = pcm16(utterances(1.0, 2.0, 0.6, 1.4, 2.0, 0.8))


class CountedEngine(ScriptedEngine):
    """Takes memory until it is closed."""

    def __init__(self, model_id: str, card: Card) -> None:
        super().__init__(model_id)
        card.open.add(self)
        assert len(card.open) == 1, "the card holds one model"
        self._card = card

    def close(self) -> None:
        super().close()
        self._card.open.discard(self)


@dataclass
class Card(FakeProbe):
    """A card of 8 GB with what is loaded on it."""

    open: set[CountedEngine] = field(default_factory=set)

    def memory(self, device: str) -> Memory:
        return Memory(8_192, 7_900 - MODEL_MB * len(self.open))


@asynccontextmanager
async def one_at_a_time(tmp_path: Path) -> AsyncIterator[RunningServer]:
    card = Card(1, (RTX_3070,), "", GPU_TYPES)
    catalogue = tmp_path / "own.yaml"
    catalogue.write_text(CATALOGUE)

    def make(spec: ModelSpec) -> Engine:
        return CountedEngine(spec.id, card)

    files = {"models_file": str(catalogue), "keep_model_s": 60.0}
    async with serving(scripted_app(tmp_path, ScriptedModels(make), files, probe=card)) as server:
        yield server


async def test_one_model_takes_the_place_of_another_and_every_word_is_heard_once(
    tmp_path: Path,
) -> None:
    third = len(SAID) // 3 // BLOCK_BYTES * BLOCK_BYTES
    async with one_at_a_time(tmp_path) as server, server.control() as control:
        async with server.audio("?events=all&session=before") as audio:
            expected = await say_all(audio, SAID, PACE_S)
        async with server.audio() as audio:
            await say(audio, SAID[:third], PACE_S)
            await control.send({"type": "load_model", "model_id": "second"})
            await say(audio, SAID[third : 2 * third], PACE_S)
            await control.until("model_loaded")
            assert await say_all(audio, SAID[2 * third :], PACE_S) == expected
            assert answered(audio) == ["scripted", "second"]
            assert troubles(audio) == []


async def test_one_that_does_not_come_gives_the_place_back(tmp_path: Path) -> None:
    async with one_at_a_time(tmp_path) as server, server.control() as control:
        async with server.audio() as audio:
            await control.send({"type": "load_model", "model_id": "broken"})
            assert len(await say_all(audio, SAID, PACE_S)) == 6
            assert (await control.until("error"))["code"] == "model_load_failed"
            assert answered(audio) == ["scripted"]
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "scripted"


async def test_one_that_fits_nowhere_is_refused_with_the_figures(tmp_path: Path) -> None:
    async with one_at_a_time(tmp_path) as server, server.control() as control:
        error = await control.ask({"type": "load_model", "model_id": "huge"}, "error")
        assert error["code"] == "out_of_memory"
        assert "needs about 6.8 GB" in error["message"]
        shadow = {"type": "load_model", "model_id": "second", "shadow": True}
        assert (await control.ask(shadow, "error"))["code"] == "out_of_memory"
