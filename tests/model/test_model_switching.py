"""Real models take over from each other while a person speaks Thai."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.dataset import load_clips
from server.app import App
from server.settings import Settings
from tests.support.running_server import Client, RunningServer, serving
from tests.support.speech import pieces

pytestmark = pytest.mark.model

BLOCK_S = 0.1
PAUSE = bytes(2 * 16_000)
CLIPS = 6
MODELS = ("whisper-base", "again", "whisper-base", "again")

CATALOGUE = """\
- {{id: whisper-base, name: Base, repo: openai/whisper-base, format: ct2, embedded: true}}
- {{id: again, name: The same weights, repo: test/again, format: ct2, path: "{path}"}}
"""


@asynccontextmanager
async def two_models(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """Whisper base under two names, so that any difference is the switch's."""
    catalogue = tmp_path / "models.yaml"
    folder = ensure_embedded_model(default_cache_dir())
    catalogue.write_text(CATALOGUE.format(path=folder), encoding="utf-8")
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "model": "whisper-base",
            "models_file": str(catalogue),
            "profile": "fast",
        }
    )
    async with serving(App(settings)) as server:
        yield server


def is_of(model_id: str, final: dict[str, Any]) -> bool:
    return bool(final["model_id"] == model_id)


async def say(audio: Client, data: bytes, pace_s: float) -> None:
    for piece in pieces(data, round(BLOCK_S * 32_000)):
        await audio.send(piece)
        await asyncio.sleep(pace_s)


async def test_a_speaker_talks_through_three_switches_and_no_word_changes(
    thai_eval_dir: Path, tmp_path: Path
) -> None:
    clips = load_clips(thai_eval_dir / "dev.jsonl")[:CLIPS]
    data = b"".join(clip.samples().tobytes() + PAUSE for clip in clips)
    async with two_models(tmp_path) as server, server.control() as control:
        async with server.audio("?events=all&session=before") as audio:
            await say(audio, data, 0.0)
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            expected = audio.texts()
        assert len(expected) >= CLIPS
        async with server.audio() as audio:
            speaking = asyncio.create_task(say(audio, data, BLOCK_S))
            for before, model_id in itertools.pairwise(MODELS):
                await audio.until("final_transcription", partial(is_of, before))
                await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            await speaking
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            assert audio.texts() == expected
            models = [final["model_id"] for final in audio.finals()]
            assert [name for name, _ in itertools.groupby(models)] == [*MODELS]
            assert not {"error", "gap"} & {event["type"] for event in audio.events}
            assert "realtime_transcription" in {event["type"] for event in audio.events}
