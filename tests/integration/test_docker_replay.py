"""The Dockerfile's steps without Docker: what it copies is enough to run the server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.dockerfile import ROOT, Dockerfile
from tests.support.front import free_port
from tests.support.running_server import Client

START_LIMIT_S = 90.0


def files_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


async def health(file: Dockerfile, environment: dict[str, str]) -> bool:
    """What HEALTHCHECK says in this environment."""
    process = await asyncio.create_subprocess_exec(
        *file.health_command, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


def test_pip_has_nothing_left_to_install_after_the_images_requirements() -> None:
    names = Dockerfile.read("Dockerfile").installed
    assert names == ["requirements_realtime.txt"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-q", "-r"]
    done = subprocess.run(
        [*command, ROOT / names[0]], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout


@pytest.mark.model
async def test_the_server_runs_on_what_the_image_holds(tmp_path: Path) -> None:
    file = Dockerfile.read("Dockerfile")
    app, cache = tmp_path / "app", tmp_path / "cache"
    app.mkdir()
    cache.mkdir()
    file.build(app)
    copied = files_of(app)
    control, audio = free_port(), free_port()
    environment = {
        **file.environment(cache),
        "THAI_ASR_HOST": "127.0.0.1",  # tests stay on this machine
        "THAI_ASR_CONTROL_PORT": str(control),
        "THAI_ASR_AUDIO_PORT": str(audio),
        "THAI_ASR_MODEL": "whisper-base",
        "THAI_ASR_PROFILE": "fast",
    }
    assert not await health(file, environment)
    process = await asyncio.create_subprocess_exec(
        *file.command, cwd=app, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while process.returncode is None and not await health(file, environment):
                pass  # each question takes a while
        assert process.returncode is None
        async with connect(f"ws://127.0.0.1:{audio}/?events=all") as socket:
            client = Client(socket)
            assert (await client.until("connected"))["current_model"] == "whisper-base"
            await client.send(b"\0" * 32_000)
            await client.ask({"type": "audio_end"}, "audio_end_ack")
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert files_of(app) == copied, "the server writes into its own folder"
    assert files_of(cache), json.dumps(environment)
