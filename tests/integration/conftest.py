"""Fixtures of the tests that run against a server."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.app import App
from server.settings import Settings
from tests.support.asr_server import AsrServer
from tests.support.running_server import serving
from tests.support.start_scripts import Wine


@pytest.fixture(scope="session")
def speech(thai_eval_dir: Path) -> bytes:
    """A few seconds of Thai: 16 kHz mono PCM16, as a client sends it."""
    rows = (thai_eval_dir / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    clip = next(row for row in map(json.loads, rows) if 2.0 < row["seconds"] < 4.0)
    with wave.open(str(thai_eval_dir / clip["file"]), "rb") as file:
        return file.readframes(file.getnframes())


@pytest.fixture
async def asr_server() -> AsyncIterator[AsrServer]:
    """The whole server with the built-in model, on free ports."""
    settings = Settings().changed({"control_port": 0, "audio_port": 0, "model": "whisper-base"})
    async with serving(App(settings)) as server:
        yield AsrServer(server.app.ports.control, server.app.ports.audio)


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """A fresh Windows under Wine, or a skip that says what to install."""
    if shutil.which("wine") is None:
        pytest.skip("needs Wine (Debian, Ubuntu: apt install wine)")
    made = Wine(tmp_path_factory.mktemp("wine") / "prefix")
    yield made
    made.stop()
