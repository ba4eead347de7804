"""Fixtures of the tests that run against a server."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.peer import Port
from tests.support.asr_server import AsrServer
from tests.support.fake_server import FakeServer, final, partial


@pytest.fixture(scope="session")
def speech(thai_eval_dir: Path) -> bytes:
    """A few seconds of Thai: 16 kHz mono PCM16, as a client sends it."""
    rows = (thai_eval_dir / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    clip = next(row for row in map(json.loads, rows) if 2.0 < row["seconds"] < 4.0)
    with wave.open(str(thai_eval_dir / clip["file"]), "rb") as file:
        return file.readframes(file.getnframes())


@pytest.fixture
async def asr_server() -> AsyncIterator[AsrServer]:
    """A server that answers speech with Thai: a stand-in until the whole server is there."""
    async with FakeServer() as server:
        answering = asyncio.create_task(_answer(server), name="answer")
        yield AsrServer(server.number(Port.CONTROL), server.number(Port.AUDIO))
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _answer(server: FakeServer) -> None:
    await server.until(lambda: len(server.frames) > 0)
    server.say_on(Port.AUDIO, partial("สวัสดี"))
    await asyncio.sleep(0.2)
    server.say_on(Port.AUDIO, final("สวัสดีครับ"))
