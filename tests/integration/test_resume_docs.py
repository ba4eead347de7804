"""The clients that docs/resume.md shows, as they stand there, over a network that fails."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tcp_line import TcpLine
from tests.support.running_server import RunningServer, run_server
from tests.support.speech import pcm16, pieces, utterances

ROOT = Path(__file__).resolve().parents[2]
NODE_DIR = ROOT / "tests" / "node"
AUDIO = pcm16(utterances(1.0, 1.2, 1.4))
SAID = 3
LIMIT_S = 30
CUTS_S = ((0.9, 1.2), (1.6, 0.3))
"""Seconds from the mend before to a cut, and how long it lasts."""


def example(language: str) -> str:
    """The one block of code in that language."""
    text = (ROOT / "docs" / "resume.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    return str(block)


async def reference(server: RunningServer) -> list[str]:
    async with server.audio("?events=all&session=reference") as audio:
        await audio.send(AUDIO)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        return audio.texts()


async def break_now_and_then(line: TcpLine) -> None:
    for after_s, for_s in CUTS_S:
        await asyncio.sleep(after_s)
        line.cut()
        await asyncio.sleep(for_s)
        line.mend()


async def test_the_python_client_loses_nothing(tmp_path: Path) -> None:
    printed: asyncio.Queue[str] = asyncio.Queue()
    names: dict[str, Any] = {"print": lambda text, **_: printed.put_nowait(text)}
    exec(compile(example("python"), "docs/resume.md", "exec"), names)
    async with run_server(tmp_path) as server, TcpLine(server.app.ports.audio) as line:
        expected = await reference(server)
        assert len(expected) == SAID
        speaker = names["Speaker"](f"ws://127.0.0.1:{line.port}")
        running = asyncio.create_task(speaker.run())
        breaking = asyncio.create_task(break_now_and_then(line))
        for block in pieces(AUDIO, 3_200):
            await speaker.say(block)
            await asyncio.sleep(0.1)
        async with asyncio.timeout(LIMIT_S):
            assert [await printed.get() for _ in expected] == expected
        await breaking
        assert line.connections >= 3
        assert printed.empty(), "nothing is said twice"
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_the_python_client_sends_nothing_twice_over_a_restart(tmp_path: Path) -> None:
    """The server ends in mid-word, between two of its `audio_position`s."""
    printed: list[str] = []
    names: dict[str, Any] = {"print": lambda text, **_: printed.append(text)}
    exec(compile(example("python"), "docs/resume.md", "exec"), names)
    audio, begun = pcm16(utterances(3.5)), asyncio.Event()
    async with run_server(tmp_path) as server, server.control("?session=demo") as reader:
        bound = server.app.ports
        ports: dict[str, Any] = {"control_port": bound.control, "audio_port": bound.audio}
        speaker = names["Speaker"](server.audio_url)
        running = asyncio.create_task(speaker.run())
        speaking = asyncio.create_task(speak(speaker, audio, begun))
        async with asyncio.timeout(LIMIT_S):
            await begun.wait()
            server.app.stop()
            final = await reader.until("final_transcription")
    async with run_server(tmp_path, **ports) as server, server.control("?session=demo") as reader:
        async with asyncio.timeout(LIMIT_S):
            await speaking
            await reader.until("final_transcription")
        statistics = await reader.ask({"type": "get_statistics"}, "statistics")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert len(printed) == 2
    taken_s = final["end_ms"] / 1000 + statistics["counters"]["audio_received_s"]
    assert taken_s == pytest.approx(len(audio) / 2 / 16_000, abs=0.05)


async def speak(speaker: Any, audio: bytes, begun: asyncio.Event) -> None:
    for number, block in enumerate(pieces(audio, 3_200)):
        if number == 23:  # 0.3 s after a position
            begun.set()
        await speaker.say(block)
        await asyncio.sleep(0.1)


@pytest.mark.node
async def test_the_javascript_client_loses_nothing(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (NODE_DIR / "node_modules" / "ws").is_dir():
        pytest.skip("needs node and the packages of tests/node")
    audio, client = tmp_path / "speech.pcm", tmp_path / "client.js"
    audio.write_bytes(AUDIO)
    client.write_text(example("js"), encoding="utf-8")
    async with run_server(tmp_path) as server, TcpLine(server.app.ports.audio) as line:
        expected = await reference(server)
        url = f"ws://127.0.0.1:{line.port}"
        process = await asyncio.create_subprocess_exec(
            *map(str, (node, NODE_DIR / "run_resume_doc.js", client, url, audio)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        breaking = asyncio.create_task(break_now_and_then(line))
        try:
            async with asyncio.timeout(LIMIT_S):
                texts = [(await process.stdout.readline()).decode().strip() for _ in expected]
        finally:
            process.stdin.close()
            rest, _ = await process.communicate()
        await breaking
    assert texts == expected
    assert not rest, "nothing is said twice"
    assert line.connections >= 3
