"""The client as a user starts it: a process of its own against a fake server."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from server import protocol
from server.messages import ErrorEvent, ServerShutdown
from server.peer import Port
from tests.support.audio_signals import pcm16, tone, wav_bytes
from tests.support.client_program import FAKE_PYAUDIO, NO_LIBRARY, ClientProgram, modules
from tests.support.fake_server import STREAM_ID, FakeServer, final, partial

SPEECH = pcm16(tone(440, 0.5))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


@pytest.fixture
def speech_file(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav_bytes(SPEECH))
    return path


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.wav"
    path.write_bytes(wav_bytes(pcm16(tone(440, 60.0))))
    return path


async def test_a_file_becomes_lines_of_thai(server: FakeServer, speech_file: Path) -> None:
    server.before_ack = [partial("สวัส"), final("สวัสดีครับ"), final("ผมชื่อโจน", utterance_id=2)]
    client = await ClientProgram.start(server, "--file", speech_file, "--fast")
    status, out, err = await client.result()
    assert (status, out) == (0, "สวัสดีครับ\nผมชื่อโจน\n")
    assert server.audio == SPEECH
    assert "whisper-base" in err


async def test_the_model_is_loaded_before_any_audio(server: FakeServer, speech_file: Path) -> None:
    arguments = ("--fast", "--model", "biodatlab-faster", "--session", "room")
    status, _, err = await (
        await ClientProgram.start(server, "--file", speech_file, *arguments)
    ).result()
    assert status == 0
    kinds = [type(request) for request in server.requests if not isinstance(request, protocol.Ping)]
    assert kinds[:4] == [
        protocol.AudioConfig,
        protocol.GetModels,
        protocol.LoadModel,
        protocol.GetStatus,
    ]
    assert "-> biodatlab-faster" in err
    assert server.addresses[Port.AUDIO][0].session == "room"


async def test_a_model_that_cannot_be_loaded_is_a_failure(
    server: FakeServer, speech_file: Path
) -> None:
    server.load_errors["big"] = ErrorEvent(
        code="model_load_failed", message="Failed to load model big"
    )
    client = await ClientProgram.start(server, "--file", speech_file, "--model", "big")
    status, _, err = await client.result()
    assert status == 1
    assert "Error: Failed to load model big" in err
    assert server.frames == []


async def test_an_error_of_the_server_is_a_failure_and_the_rest_goes_on(
    server: FakeServer, speech_file: Path
) -> None:
    lost = ErrorEvent(code="decode_failed", message="lost", stream_id=STREAM_ID, utterance_id=1)
    server.before_ack = [lost, final("ครับ", utterance_id=2)]
    client = await ClientProgram.start(server, "--file", speech_file, "--fast")
    status, out, err = await client.result()
    assert (status, out) == (1, "ครับ\n")
    assert "Error: lost (decode_failed)" in err


async def test_an_overload_that_loses_nothing_is_no_failure(
    server: FakeServer, speech_file: Path
) -> None:
    late = ErrorEvent(code="overloaded", message="late")
    server.before_ack = [late, late, final("ครับ")]
    client = await ClientProgram.start(server, "--file", speech_file, "--fast")
    status, out, err = await client.result()
    assert (status, out) == (0, "ครับ\n")
    assert err.count("Warning: late") == 1


async def test_without_a_server_the_message_says_what_to_do(
    server: FakeServer, speech_file: Path
) -> None:
    client = await ClientProgram.start(
        server, "--file", speech_file, "--control-url", "ws://localhost:1"
    )
    status, out, err = await client.result()
    assert (status, out) == (3, "")
    assert err.startswith("Error: WebSocket connection failed\n")
    assert "Make sure the server is running on ports" in err


async def test_a_file_that_is_no_audio_is_told_before_connecting(
    server: FakeServer, tmp_path: Path
) -> None:
    client = await ClientProgram.start(server, "--file", tmp_path / "ไม่มี.wav")
    status, _, err = await client.result()
    assert status == 5
    assert "Error: cannot read" in err
    assert "ไม่มี.wav" in err
    assert server.addresses[Port.CONTROL] == []


async def test_a_connection_lost_in_mid_stream_is_told(server: FakeServer, long_file: Path) -> None:
    client = await ClientProgram.start(server, "--file", long_file, "--no-reconnect")
    await server.until(lambda: len(server.frames) >= 3)
    server.say(final("ได้ยินแล้ว"))
    await server.hang_up(Port.AUDIO, 1011, "out of luck")
    status, out, err = await client.result()
    assert (status, out) == (1, "ได้ยินแล้ว\n")
    assert "Error: the server closed the connection (1011 out of luck)" in err


async def test_recording_stopped_by_another_client_ends_the_stream(
    server: FakeServer, long_file: Path
) -> None:
    client = await ClientProgram.start(server, "--file", long_file)
    await server.until(lambda: len(server.frames) >= 3)
    server.say_on(Port.AUDIO, ErrorEvent(code="not_recording", message="recording was stopped"))
    status, _, err = await client.result()
    assert status == 1
    assert "recording was stopped" in err


@pytest.mark.parametrize("late", [False, True])
async def test_a_shutdown_ends_the_sending_and_what_is_missing_is_told(
    server: FakeServer, long_file: Path, late: bool
) -> None:
    not_taken = ErrorEvent(code="shutting_down", message="this audio is not taken")
    server.before_ack = [*([not_taken] if late else []), final("ก่อนปิด")]
    client = await ClientProgram.start(server, "--file", long_file, "--no-reconnect")
    await server.until(lambda: len(server.frames) >= 3)
    server.say(ServerShutdown(grace_s=5.0))
    status, out, err = await client.result()
    assert (status, out) == (1, "ก่อนปิด\n")
    assert f"Error: the rest of {long_file.name} was not recognised" in err
    assert len(server.audio) < 5 * 32_000


async def test_a_shutdown_after_the_last_audio_is_no_failure(
    server: FakeServer, speech_file: Path
) -> None:
    server.before_ack = [ServerShutdown(grace_s=5.0), final("ครบ")]
    client = await ClientProgram.start(server, "--file", speech_file, "--fast")
    status, out, err = await client.result()
    assert (status, out) == (0, "ครบ\n")
    assert "shutting down" in err
    assert "not recognised" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
async def test_ctrl_c_ends_a_file_with_its_last_final(server: FakeServer, long_file: Path) -> None:
    server.before_ack = [final("คำสุดท้าย")]
    client = await ClientProgram.start(server, "--file", long_file)
    await server.until(lambda: len(server.frames) >= 3)
    client.process.send_signal(signal.SIGINT)
    status, out, _ = await client.result()
    assert (status, out) == (130, "คำสุดท้าย\n")
    assert len(server.audio) < 5 * 32_000


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
async def test_a_second_ctrl_c_ends_at_once(server: FakeServer, long_file: Path) -> None:
    server.acknowledges.clear()
    client = await ClientProgram.start(server, "--file", long_file)
    await server.until(lambda: len(server.frames) >= 3)
    client.process.send_signal(signal.SIGINT)
    await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
    client.process.send_signal(signal.SIGINT)
    status, _, err = await client.result()
    assert status == 130
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
async def test_the_microphone_is_heard_until_ctrl_c(server: FakeServer, tmp_path: Path) -> None:
    server.before_ack = [final("จบแล้ว")]
    client = await ClientProgram.start(server, modules=modules(tmp_path, FAKE_PYAUDIO))
    await server.until(lambda: len(server.frames) >= 5)
    client.process.send_signal(signal.SIGINT)
    status, out, err = await client.result()
    assert (status, out) == (0, "จบแล้ว\n")
    assert "Fake Mic" in err
    assert server.frames[0] == b"\1\0" * 1024


async def test_microphones_are_listed(server: FakeServer, tmp_path: Path) -> None:
    client = await ClientProgram.start(
        server, "--list-devices", modules=modules(tmp_path, FAKE_PYAUDIO)
    )
    assert await client.result() == (0, "*  0  Fake Mic (48000 Hz)\n", "")


async def test_without_an_audio_library_the_message_says_what_to_do(
    server: FakeServer, tmp_path: Path
) -> None:
    client = await ClientProgram.start(server, modules=modules(tmp_path, NO_LIBRARY))
    status, _, err = await client.result()
    assert status == 4
    assert "Install one: pip install" in err
    assert "send a file" in err
