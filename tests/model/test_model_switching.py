"""Real models take over from each other while a person speaks Thai."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from asr.embedded_model import ensure_embedded_model
from benchmarks.dataset import load_clips
from server.app import App
from server.settings import Settings
from tests.support.running_server import RunningServer, serving
from tests.support.speaking import answered, final_of, say, say_all, troubles

pytestmark = pytest.mark.model

REAL_TIME_S = 0.1
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
    cache_dir = tmp_path / "cache"
    folder = ensure_embedded_model(cache_dir)
    catalogue.write_text(CATALOGUE.format(path=folder), encoding="utf-8")
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "admit_latency_s": 0.0,  # a busy machine is no failure
            "model": "whisper-base",
            "models_file": str(catalogue),
            "cache_dir": str(cache_dir),
            "profile": "fast",
        }
    )
    async with serving(App(settings)) as server:
        yield server


async def test_a_speaker_talks_through_three_switches_and_no_word_changes(
    thai_eval_dir: Path, tmp_path: Path
) -> None:
    clips = load_clips(thai_eval_dir / "dev.jsonl")[:CLIPS]
    data = b"".join(clip.samples().tobytes() + PAUSE for clip in clips)
    async with two_models(tmp_path) as server, server.control() as control:
        async with server.audio("?events=all&session=before") as audio:
            expected = await say_all(audio, data)
        assert len(expected) >= CLIPS
        async with server.audio() as audio:
            speaking = asyncio.create_task(say(audio, data, REAL_TIME_S))
            for before, model_id in itertools.pairwise(MODELS):
                await final_of(audio, before)
                await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            await speaking
            assert await say_all(audio, b"") == expected
            if len(answered(audio)) < len(MODELS):  # a busy machine loads for longer than it lasts
                assert await say_all(audio, data) == expected * 2
            assert answered(audio) == [*MODELS]
            assert troubles(audio) == []
            assert "realtime_transcription" in {event["type"] for event in audio.events}
