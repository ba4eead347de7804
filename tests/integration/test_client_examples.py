"""The examples of docs/python_client.md, as they stand there, against a server."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client import FinalTranscription, connect
from tests.support.audio_signals import wav_bytes
from tests.support.client_program import ROOT
from tests.support.running_server import run_server
from tests.support.speech import pcm16, utterances

DOCUMENT = (ROOT / "docs" / "python_client.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.S)
EXAMPLES = dict(EXAMPLE.findall(DOCUMENT))
AUDIO = pcm16(utterances(1.0, 1.4))
FIRST_BYTES = 32_000
"""A second: silence, and the first utterance's beginning."""


@asynccontextmanager
async def running(
    tmp_path: Path, name: str, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An example as a program."""
    program = tmp_path / f"{name}.py"
    program.write_text(EXAMPLES[name], encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        *arguments,
        cwd=tmp_path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
        },
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def texts_of(url: str, session: str, speaker: str | None = None) -> list[str]:
    async with connect(url, session=session, speaker=speaker) as asr:
        events = [event async for event in asr.transcribe([AUDIO])]
    return [event.text for event in events if isinstance(event, FinalTranscription)]


def test_there_are_three_examples() -> None:
    assert set(EXAMPLES) == {"file", "live", "viewer"}


async def test_a_file_to_text(tmp_path: Path) -> None:
    speech = tmp_path / "เสียง.wav"
    speech.write_bytes(wav_bytes(AUDIO))
    async with run_server(tmp_path) as server:
        expected = await texts_of(server.audio_url, "reference")
        async with running(tmp_path, "file", str(speech), server.audio_url) as process:
            out, _ = await process.communicate()
        assert process.returncode == 0
    lines = out.decode().splitlines()
    assert [line.split("s  ")[1].strip() for line in lines] == expected
    assert len(expected) == 2


async def test_live_audio_with_partials(tmp_path: Path) -> None:
    async with run_server(tmp_path, wire_final_s=60.0) as server:
        expected = await texts_of(server.control_url, "reference")
        async with running(tmp_path, "live", server.control_url) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(AUDIO[:FIRST_BYTES])
            first = (await process.stdout.readline()).decode()
            out, _ = await process.communicate(AUDIO[FIRST_BYTES:])
        assert process.returncode == 0
    assert first.startswith("... "), "text comes while somebody speaks"
    lines = out.decode().splitlines()
    assert [line for line in lines if not line.startswith("... ")] == expected


async def test_a_viewer_reads_along(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        running(tmp_path, "viewer", "room", server.audio_url) as process,
    ):
        assert process.stdout is not None
        assert await process.stdout.readline() == b"reading along in room\n"
        expected = await texts_of(server.audio_url, "room", "Lek")
        for text in expected:
            assert (await process.stdout.readline()).decode().strip() == f"Lek: {text}"


def test_every_exit_status_and_option_is_documented() -> None:
    from client.arguments import Exit, _parser

    table = DOCUMENT.partition("| exit status |")[2].partition("## In a program")[0]
    assert {int(s) for s in re.findall(r"^\| (\d+) \|", table, re.M)} == {int(e) for e in Exit}
    options = {o for action in _parser()._actions for o in action.option_strings}
    assert {o for o in options if o.startswith("--") and f"`{o}" not in DOCUMENT} == {"--help"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_short(name: str) -> None:
    assert len(EXAMPLES[name].splitlines()) <= 25
