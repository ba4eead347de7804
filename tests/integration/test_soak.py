"""Long runs: `bash run_tests.sh soak`."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path

import psutil
import pytest

from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.running_server import RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, pieces, utterances

pytestmark = pytest.mark.soak

ROUNDS = 400
SETTLED_ROUND = 100
GROWTH_MB = 20.0


async def converse(server: RunningServer, number: int) -> None:
    """One speaker who says two sentences, and hangs up in one of three ways."""
    async with server.audio(f"?session=s{number % 7}&events=all") as audio:
        for piece in pieces(pcm16(utterances(0.8, 0.6)), 6_400):
            await audio.send(piece)
        if number % 3 == 0:
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            assert len(audio.finals()) == 2
        elif number % 3 == 1:
            audio.socket.transport.abort()


@pytest.mark.timeout(1_800)
async def test_hundreds_of_conversations_leave_nothing_behind(tmp_path: Path) -> None:
    process = psutil.Process(os.getpid())
    engines: list[ScriptedEngine] = []

    def make(spec: ModelSpec) -> ScriptedEngine:
        engines.append(ScriptedEngine(spec.id))
        return engines[-1]

    async with run_server(tmp_path, ScriptedModels(make)) as server:
        counts: list[tuple[int, int, int]] = []
        settled_mb = 0.0
        for number in range(ROUNDS):
            await converse(server, number)
            engines[0].batches.clear()  # a test's record, and not the server's
            if number in (SETTLED_ROUND, ROUNDS - 1):
                await asyncio.sleep(2.0)
                gc.collect()
                threads = threading.active_count()
                counts.append((len(asyncio.all_tasks()), threads, process.num_fds()))
                settled_mb = settled_mb or process.memory_info().rss / 1e6
        grown_mb = process.memory_info().rss / 1e6 - settled_mb
        assert counts[0] == counts[1]
        assert grown_mb < GROWTH_MB
        async with server.control("?session=last") as control:
            status = await control.ask({"type": "get_status"}, "server_status")
        assert (status["sessions"], status["streams"]) == (1, 0)
