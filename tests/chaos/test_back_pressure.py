"""A server that is behind does not take its own waiting for a speaker's silence."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from asr.scripted_engine import ScriptedEngine
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.speaking import troubles
from tests.support.speech import pcm16, utterances

SAID = pcm16(utterances(1.0, 2.0, 1.0))
IN_MID_WORD = round(32_000 * (0.4 + 1.0 + 1.0 + 0.8))
"""Bytes: the first utterance has ended, the second has not."""

WIRE_FINAL_S = 0.4


async def said_in_two(server: RunningServer, query: str, gate: threading.Event) -> Client:
    """Says it in two messages; the second finds no room while the gate is closed."""
    async with server.audio(query) as audio:
        gate.clear()
        await audio.send(SAID[:IN_MID_WORD])
        await audio.until("speech_ended")
        await audio.until("speech_started")
        await audio.send(SAID[IN_MID_WORD:])
        await asyncio.sleep(4 * WIRE_FINAL_S)
        gate.set()
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        return audio


@pytest.mark.parametrize("query", ["?events=all", "?resume=new"])
async def test_audio_that_waits_for_room_is_no_silence(tmp_path: Path, query: str) -> None:
    gate = threading.Event()
    gate.set()
    models = ScriptedModels(lambda spec: ScriptedEngine(spec.id, gate=gate))
    limits = {"drain_s": 0.0, "wire_partial_s": WIRE_FINAL_S / 2, "wire_final_s": WIRE_FINAL_S}
    async with run_server(tmp_path, models, **limits) as server:
        async with server.audio() as audio:
            await audio.send(SAID)
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            expected = audio.texts()
        assert len(expected) == 3
        again = await said_in_two(server, query, gate)
        assert again.texts() == expected
        assert troubles(again) == []
