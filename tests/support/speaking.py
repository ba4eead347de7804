"""A person who speaks while models change."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from tests.support.running_server import Client
from tests.support.speech import pieces

BLOCK_BYTES = 3_200
"""A tenth of a second."""


async def say(audio: Client, data: bytes, pace_s: float = 0.0) -> None:
    """Send in blocks, `pace_s` apart; 0.1 is real time."""
    for piece in pieces(data, BLOCK_BYTES):
        await audio.send(piece)
        await asyncio.sleep(pace_s)


async def say_all(audio: Client, data: bytes, pace_s: float = 0.0) -> list[str]:
    """Say it and end; the texts of all finals."""
    await say(audio, data, pace_s)
    await audio.ask({"type": "audio_end"}, "audio_end_ack")
    return audio.texts()


async def final_of(audio: Client, model_id: str) -> None:
    """Wait for a final of this model."""
    await audio.until("final_transcription", lambda final: bool(final["model_id"] == model_id))


def answered(audio: Client) -> list[str]:
    """The models that answered, in turn."""
    models = [final["model_id"] for final in audio.finals()]
    return [name for name, _ in itertools.groupby(models)]


def troubles(audio: Client) -> list[dict[str, Any]]:
    """What a speaker must not hear of."""
    return [event for event in audio.events if event["type"] in ("error", "gap")]
