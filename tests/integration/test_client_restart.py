"""The client over real sockets: the server restarts, and nothing is lost or said twice."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from asr.scripted_engine import ScriptedEngine
from client import AsrConnection, FinalTranscription, connect
from client.conversation import Conversation
from client.feed import Feed
from client.sources import FileSource
from tests.support.audio_signals import wav_bytes
from tests.support.client_program import ClientProgram
from tests.support.recorder import Recorder
from tests.support.running_server import RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, utterances

AUDIO = pcm16(utterances(1.0, 1.2, 1.4, 1.6))


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server will be, and be again."""

    control: int
    audio: int

    @property
    def control_url(self) -> str:
        return f"ws://127.0.0.1:{self.control}"

    @property
    def audio_url(self) -> str:
        return f"ws://127.0.0.1:{self.audio}"


@pytest.fixture
def ports() -> Ports:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], two.getsockname()[1])


def server_at(tmp_path: Path, ports: Ports) -> AbstractAsyncContextManager[RunningServer]:
    return run_server(tmp_path, control_port=ports.control, audio_port=ports.audio)


async def texts_of(url: str) -> list[str]:
    """What the server makes of the audio in one piece."""
    async with connect(url, session="reference") as asr:
        events = [event async for event in asr.transcribe([AUDIO])]
    return [event.text for event in events if isinstance(event, FinalTranscription)]


async def test_every_utterance_comes_once_over_a_restart(tmp_path: Path, ports: Ports) -> None:
    speech, finals_file = tmp_path / "speech.wav", tmp_path / "finals.json"
    speech.write_bytes(wav_bytes(AUDIO))
    async with server_at(tmp_path, ports) as server:
        reference = await texts_of(server.audio_url)
        client = await ClientProgram.start(ports, speech, "--json", finals_file)
        assert client.process.stdout is not None
        first = (await client.process.stdout.readline()).decode().strip()
        assert first == reference[0]
    await client.error_line("Connection lost")
    async with server_at(tmp_path, ports):
        await client.error_line("Connected again")
        status, out, err = await client.result()
    assert status == 0, err
    finals = json.loads(finals_file.read_text(encoding="utf-8"))
    assert [final["text"] for final in finals] == [first, *out.split()]
    starts = [final["start_ms"] for final in finals]
    assert starts == sorted(starts)
    # what was being said when the server ended is cut in two; everything else is as in one piece
    begins_ms = [400, 2_400, 4_600, 7_000]
    for begin_ms, text in zip(begins_ms, reference, strict=True):
        near = [f for f in finals if begin_ms - 500 <= f["start_ms"] < begin_ms + 1_700]
        assert near, (begin_ms, finals)
        if len(near) == 1:
            assert len(near[0]["text"]) == pytest.approx(len(text), abs=4)
            assert near[0]["start_ms"] == pytest.approx(begin_ms, abs=500)


async def test_a_network_that_fails_in_mid_word_says_nothing_twice(tmp_path: Path) -> None:
    """The server ends the old stream with a final, which comes when the client is back."""
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav_bytes(AUDIO))
    connections: list[AsrConnection] = []
    view = Recorder()
    slow = ScriptedModels(lambda spec: ScriptedEngine(spec.id, delay=lambda _: 0.8))
    async with run_server(tmp_path, slow) as server:
        reference = await texts_of(server.audio_url)

        @asynccontextmanager
        async def connecting(session: str | None) -> AsyncIterator[AsrConnection]:
            async with connect(server.audio_url, session=session) as connection:
                connections.append(connection)
                yield connection

        conversation = Conversation(
            connecting, Feed(FileSource(speech, paced=True)), view, jitter=lambda: 0.0
        )
        holding = asyncio.create_task(conversation.hold())
        await view.until(lambda: view.done_s > 3.0)  # in the second utterance, 2.4 s to 3.6 s
        assert view.finals == reference[:1]
        connections[0]._audio.transport.abort()
        async with server.audio("?session=default") as other:
            await holding
            await other.until("final_transcription", lambda e: e["text"] == view.finals[-1])
    assert len(connections) == 2
    assert view.finals[0] == reference[0]
    assert len(view.finals) == len(reference) == 4
    assert [len(text) for text in view.finals] == [
        pytest.approx(len(text), abs=4) for text in reference
    ]
    assert len(other.finals()) == 4  # the old stream's half word among them, and not shown
    assert not conversation.failed


@pytest.mark.skipif(sys.platform == "win32", reason="ports are not free again at once on Windows")
async def test_without_reconnecting_the_rest_is_told(tmp_path: Path, ports: Ports) -> None:
    speech, written = tmp_path / "speech.wav", tmp_path / "finals.txt"
    speech.write_bytes(wav_bytes(AUDIO))
    async with server_at(tmp_path, ports):
        client = await ClientProgram.start(ports, speech, "--no-reconnect", "--txt", written)
        assert client.process.stdout is not None
        first = (await client.process.stdout.readline()).decode()
    status, out, err = await client.result()
    assert status == 1
    assert "was not recognised" in err
    assert written.read_text(encoding="utf-8") == first + out
