"""What else the program does: standard input, viewers, files to write, lost connections."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server import protocol
from server.messages import ErrorEvent
from server.peer import Port, Role
from tests.support.audio_signals import pcm16, tone, wav_bytes
from tests.support.client_program import ClientProgram
from tests.support.fake_server import FakeServer, final

SPEECH = pcm16(tone(440, 0.5))
NO_SIGINT = pytest.mark.skipif(
    sys.platform == "win32", reason="no SIGINT for one process on Windows"
)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.wav"
    path.write_bytes(wav_bytes(pcm16(tone(440, 60.0))))
    return path


async def test_raw_audio_comes_through_standard_input(server: FakeServer) -> None:
    server.before_ack = [final("สวัสดี")]
    client = await ClientProgram.start(server, "-")
    status, out, err = await client.result(SPEECH)
    assert (status, out) == (0, "สวัสดี\n")
    assert server.audio == SPEECH
    assert "standard input -> whisper-base" in err


async def test_a_wav_stream_is_sent_with_its_header(server: FakeServer) -> None:
    wav = wav_bytes(SPEECH, channels=2, rate_hz=48_000)
    status, _, _ = await (await ClientProgram.start(server, "-")).result(wav + b"LIST behind")
    assert status == 0
    assert server.audio == wav
    [request] = server.requests_of(protocol.AudioConfig)
    assert isinstance(request, protocol.AudioConfig)
    assert request.sample_rate == 48_000


async def test_empty_standard_input_is_told_before_connecting(server: FakeServer) -> None:
    status, _, err = await (await ClientProgram.start(server, "-")).result(b"")
    assert status == 5
    assert "there is no audio" in err
    assert server.addresses[Port.CONTROL] == []


@NO_SIGINT
async def test_ctrl_c_ends_standard_input_with_its_last_final(server: FakeServer) -> None:
    server.before_ack = [final("จบแล้ว")]
    client = await ClientProgram.start(server, "-")
    assert client.process.stdin is not None
    client.process.stdin.write(SPEECH)
    await server.until(lambda: len(server.audio) == len(SPEECH))
    client.process.send_signal(signal.SIGINT)
    assert client.process.stdout is not None
    assert (await client.process.stdout.read()).decode() == "จบแล้ว\n"
    assert await client.process.wait() == 0


@NO_SIGINT
async def test_a_viewer_reads_along_until_ctrl_c(server: FakeServer, tmp_path: Path) -> None:
    text = tmp_path / "read.txt"
    client = await ClientProgram.start(server, "--viewer", "--session", "room", "--txt", text)
    await client.error_line("session room -> whisper-base")
    server.say(final("ค่ะ", speaker="Nok"))
    assert client.process.stdout is not None
    assert (await client.process.stdout.readline()).decode() == "[Nok] ค่ะ\n"
    client.process.send_signal(signal.SIGINT)
    status, _, _ = await client.result()
    assert status == 0
    assert server.addresses[Port.AUDIO][0].role is Role.VIEWER
    assert server.frames == []
    assert text.read_text(encoding="utf-8") == "[Nok] ค่ะ\n"


async def test_transcripts_are_written_in_every_format(server: FakeServer, tmp_path: Path) -> None:
    server.before_ack = [final("สวัสดีครับ")]
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav_bytes(SPEECH))
    paths = {kind: tmp_path / f"out.{kind}" for kind in ("srt", "vtt", "txt", "json")}
    wanted = [argument for kind, path in paths.items() for argument in (f"--{kind}", path)]
    status, _, err = await (await ClientProgram.start(server, speech, "--fast", *wanted)).result()
    assert status == 0
    assert err.count("Written: ") == 4
    texts = {path.suffix: path.read_text(encoding="utf-8") for path in paths.values()}
    assert "00:00:00,000 --> 00:00:02,500\nสวัสดีครับ\n" in texts[".srt"]
    assert texts[".vtt"].startswith("WEBVTT\n\n00:00:00.000")
    assert texts[".txt"] == "สวัสดีครับ\n"
    assert json.loads(texts[".json"])[0]["end_ms"] == 2_500


async def test_a_file_that_cannot_be_written_is_refused_before_connecting(
    server: FakeServer, long_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "missing" / "a.srt"
    status, _, err = await (await ClientProgram.start(server, long_file, "--srt", target)).result()
    assert status == 6
    assert "Error: cannot write" in err
    assert server.addresses[Port.CONTROL] == []


@NO_SIGINT
@pytest.mark.parametrize("twice", [False, True])
async def test_what_was_said_before_ctrl_c_is_written(
    server: FakeServer, long_file: Path, tmp_path: Path, twice: bool
) -> None:
    text = tmp_path / "said.txt"
    client = await ClientProgram.start(server, long_file, "--txt", text)
    await server.until(lambda: len(server.frames) >= 3)
    server.say(final("ก่อนหยุด"))
    assert client.process.stdout is not None
    assert (await client.process.stdout.readline()).decode() == "ก่อนหยุด\n"
    if twice:
        server.acknowledges.clear()
    client.process.send_signal(signal.SIGINT)
    if twice:
        await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
        client.process.send_signal(signal.SIGINT)
    status, _, _ = await client.result()
    assert status == 130
    assert text.read_text(encoding="utf-8") == "ก่อนหยุด\n"


@NO_SIGINT
async def test_ctrl_c_while_a_model_loads_ends_at_once(
    server: FakeServer, long_file: Path, tmp_path: Path
) -> None:
    class Loads(FakeServer):
        async def _load(self, *_: object) -> None:
            return

    text = tmp_path / "said.txt"
    async with Loads() as loading:
        client = await ClientProgram.start(loading, long_file, "--model", "m", "--txt", text)
        await loading.until(lambda: bool(loading.requests_of(protocol.LoadModel)))
        client.process.send_signal(signal.SIGINT)
        status, _, err = await client.result()
    assert status == 130
    assert "Traceback" not in err
    assert not text.exists()


async def test_a_lost_connection_comes_back_and_sends_again_what_no_final_covers(
    server: FakeServer, tmp_path: Path
) -> None:
    audio = pcm16(tone(440, 3.0))
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav_bytes(audio))
    subtitles = tmp_path / "a.json"
    client = await ClientProgram.start(server, "--file", speech, "--json", subtitles)
    await server.until(lambda: len(server.audio) >= 32_000)
    server.say(final("หนึ่ง", end_ms=500))
    assert client.process.stdout is not None
    assert (await client.process.stdout.readline()).decode() == "หนึ่ง\n"
    await server.hang_up(Port.AUDIO, 1011, "out of luck")
    assert "1011 out of luck" in await client.error_line("Connection lost:")
    first = len(server.frames)
    server.before_ack = [final("สอง", end_ms=1_000)]
    await client.error_line("Connected again")
    status, out, _ = await client.result()
    assert (status, out) == (0, "สอง\n")
    assert b"".join(server.frames[first:]) == audio[16_000:]
    finals = json.loads(subtitles.read_text(encoding="utf-8"))
    assert [(f["text"], f["end_ms"]) for f in finals] == [("หนึ่ง", 500), ("สอง", 1_500)]


async def test_a_server_that_refuses_for_good_is_not_asked_again(
    server: FakeServer, long_file: Path
) -> None:
    client = await ClientProgram.start(server, long_file)
    await server.until(lambda: len(server.frames) >= 3)
    server.say_on(Port.AUDIO, ErrorEvent(code="forbidden", message="no"))
    status, _, err = await client.result()
    assert status == 1
    assert "Connection lost" not in err
    assert "Error: from 0:00 on nothing was recognised." in err
