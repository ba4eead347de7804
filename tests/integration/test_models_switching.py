"""A speaker talks through three switches of models, with scripted engines."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.running_server import run_server
from tests.support.speaking import BLOCK_BYTES, answered, final_of, say, say_all, troubles
from tests.support.speech import pcm16, utterances

SAID = pcm16(utterances(1.0, 2.0, 0.6, 1.4, 2.0, 0.8, 1.2, 1.0))
MODELS = ("scripted", "second", "scripted", "second")
QUARTER = len(SAID) // 4 // BLOCK_BYTES * BLOCK_BYTES
"""Each switch comes in the middle of a word or a pause, as it may."""
SWITCH_AFTER = [SAID[start : start + QUARTER] for start in range(0, 3 * QUARTER, QUARTER)]
REST = SAID[3 * QUARTER :]


@pytest.mark.parametrize("keep_model_s", [0.0, 60.0])
async def test_every_word_is_heard_once(tmp_path: Path, keep_model_s: float) -> None:
    async with (
        run_server(tmp_path, keep_model_s=keep_model_s) as server,
        server.control() as control,
    ):
        async with server.audio("?events=all&session=before") as audio:
            expected = await say_all(audio, SAID)
        async with server.audio() as audio:
            for begun, (before, model_id) in zip(SWITCH_AFTER, pairwise(MODELS), strict=True):
                await say(audio, begun)
                await final_of(audio, before)
                await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            assert await say_all(audio, REST) == expected
            assert len(expected) == 8
            assert answered(audio) == [*MODELS]
            assert troubles(audio) == []
