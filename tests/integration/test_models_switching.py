"""A speaker talks through three switches of models, with scripted engines."""

from __future__ import annotations

import itertools
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_server import Client, RunningServer, run_server
from tests.support.speech import pcm16, pieces, utterances

SAID = pcm16(utterances(1.0, 2.0, 0.6, 1.4, 2.0, 0.8, 1.2, 1.0))
MODELS = ("scripted", "second", "scripted", "second")
QUARTER = len(SAID) // 4 // 3_200 * 3_200
"""Each switch comes in the middle of a word or a pause, as it may."""
SWITCH_AFTER = [SAID[start : start + QUARTER] for start in range(0, 3 * QUARTER, QUARTER)]
REST = SAID[3 * QUARTER :]


def is_of(model_id: str, final: dict[str, Any]) -> bool:
    return bool(final["model_id"] == model_id)


async def say(audio: Client, data: bytes) -> None:
    for piece in pieces(data, 3_200):
        await audio.send(piece)


async def said_without_a_switch(server: RunningServer) -> list[str]:
    async with server.audio("?events=all&session=before") as audio:
        await say(audio, SAID)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        return audio.texts()


@pytest.mark.parametrize("keep_model_s", [0.0, 60.0])
async def test_every_word_is_heard_once(tmp_path: Path, keep_model_s: float) -> None:
    async with (
        run_server(tmp_path, keep_model_s=keep_model_s) as server,
        server.control() as control,
    ):
        expected = await said_without_a_switch(server)
        async with server.audio() as audio:
            for begun, (before, model_id) in zip(SWITCH_AFTER, pairwise(MODELS), strict=True):
                await say(audio, begun)
                await audio.until("final_transcription", partial(is_of, before))
                await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            await say(audio, REST)
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            assert audio.texts() == expected
            assert len(expected) == 8
            models = [final["model_id"] for final in audio.finals()]
            assert [name for name, _ in itertools.groupby(models)] == [*MODELS]
            assert not {"error", "gap"} & {event["type"] for event in audio.events}
