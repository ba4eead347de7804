"""How long connections stay: idleness, length, and clients of a server that stands still."""

from __future__ import annotations

import asyncio
import struct
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from asr.scripted_engine import ScriptedEngine
from client import AsrConnection, FinalTranscription
from client import connect as open_client
from server.messages import ErrorEvent, Notice
from tests.support.client_program import ClientProgram
from tests.support.running_server import Client, ScriptedModels, run_server
from tests.support.speech import pcm16, pieces, utterances

LIMIT_S = 20.0


async def closed_with(client: Client) -> tuple[int, str]:
    """The code and reason that ended a connection, everything before it read."""
    with pytest.raises(ConnectionClosed) as closed:
        await client.until("nothing")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def test_a_connection_without_any_message_is_warned_and_closed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(run_server(tmp_path, idle_s=0.6))
        idle = await stack.enter_async_context(server.control())
        viewer = await stack.enter_async_context(server.audio("?role=viewer&events=all"))
        assert await closed_with(idle) == (4031, "idle: no message went either way")
        (warning,) = [e for e in idle.events if e["type"] == "notice"]
        assert (warning["code"], warning["left_s"]) == ("idle", 0.3)
        assert (await closed_with(viewer))[0] == 4031


async def test_messages_either_way_keep_a_connection(tmp_path: Path) -> None:
    """Pings of the protocol are messages; a viewer who hears text is not idle."""
    async with run_server(tmp_path, idle_s=0.5) as server:
        async with server.audio() as speaker, server.audio("?role=viewer") as viewer:
            for _ in range(4):
                await speaker.send(pcm16(utterances(0.6)))
                await viewer.until("final_transcription")
            assert not [e for e in speaker.events if e.get("code") == "idle"]
        async with server.control() as control:
            await control.until("notice")
            await control.ask({"type": "ping"}, "pong")  # the warning is void
            assert (await control.until("notice"))["code"] == "idle"


async def test_who_reads_along_with_the_client_stays_however_long_nobody_speaks(
    tmp_path: Path,
) -> None:
    async with (
        run_server(tmp_path, idle_s=0.4) as server,
        open_client(server.audio_url, role="viewer") as viewer,
    ):
        for _ in range(3):
            async with server.control() as other:
                assert (await closed_with(other))[0] == 4031
        async with server.audio() as speaker:
            await speaker.send(pcm16(utterances(0.6)))
            heard = await until_final(viewer)
    assert heard[-1].text
    assert not [event for event in heard if isinstance(event, ErrorEvent | Notice)]


async def until_final(viewer: AsrConnection) -> list[Any]:
    heard: list[Any] = []
    async with asyncio.timeout(LIMIT_S):
        async for event in viewer:
            heard.append(event)
            if isinstance(event, FinalTranscription):
                break
    return heard


async def test_the_client_ends_where_the_server_says_that_it_lasted_long(tmp_path: Path) -> None:
    async with run_server(tmp_path, max_session_s=3.0) as server:
        client = await ClientProgram.start(server, "--viewer")
        status, _, err = await client.result()
    assert status == 1
    assert err.count("this connection has lasted long") == 1
    assert "(4032 session over; reconnect)\nIt lasted as long as" in err
    assert "Trying again" not in err


async def test_who_is_held_back_is_not_idle(tmp_path: Path) -> None:
    """One message takes far longer than the idle time, since it is read slowly."""
    changes: dict[str, Any] = {"idle_s": 0.5, "max_bytes_per_s": 20_000.0}
    async with run_server(tmp_path, **changes) as server, server.audio() as audio:
        await audio.send(pcm16(utterances(1.0, 1.0)))  # 80,000 bytes at once, 60,000 slowly
        await audio.until("final_transcription")
        assert "idle" not in [e.get("code") for e in audio.events]


async def test_whose_audio_waits_here_is_not_idle(tmp_path: Path) -> None:
    gate = threading.Event()
    models = ScriptedModels(lambda spec: ScriptedEngine(spec.id, gate=gate))
    gate.set()
    async with run_server(tmp_path, models, idle_s=0.4, inbox_audio_s=0.5) as server:
        async with server.audio() as audio:
            gate.clear()
            await send_all(audio, pcm16(utterances(*[1.0] * 12)))
            async with asyncio.timeout(LIMIT_S):
                idle = asyncio.create_task(audio.until("notice", lambda e: e["code"] == "idle"))
                await asyncio.wait({idle}, timeout=1.6)  # four times as long as it may be idle
                assert not idle.done()
                gate.set()
                await idle  # once it is heard to the end
        assert len([text for text in audio.texts() if text]) == 12


async def test_a_connection_that_lasted_long_is_warned_and_loses_no_word(tmp_path: Path) -> None:
    async with run_server(tmp_path, max_session_s=2.0) as server, server.audio() as audio:
        await audio.send(pcm16(utterances(1.0))[:40_000])  # in mid-word
        code, reason = await closed_with(audio)
    assert (code, reason) == (4032, "session over; reconnect")
    (warning,) = [e for e in audio.events if e["type"] == "notice"]
    assert warning["code"] == "session_ending"
    assert 0 < warning["left_s"] <= 1.0
    assert audio.texts()[-1]


async def test_a_server_that_stands_still_keeps_its_clients(tmp_path: Path) -> None:
    """Nothing is decoded for far longer than the ping timeout; audio waits unread, and pongs
    behind it. A client that paces itself is still there, and every word becomes text."""
    gate = threading.Event()
    gate.set()
    models = ScriptedModels(lambda spec: ScriptedEngine(spec.id, gate=gate))
    changes: dict[str, Any] = {"ping_interval_s": 0.1, "ping_timeout_s": 0.3}
    lengths = [1.0] * 12
    async with run_server(tmp_path, models, inbox_audio_s=0.5, **changes) as server:
        socket = await connect(f"{server.audio_url}/?events=all", ping_interval=None)
        audio = Client(socket)
        gate.clear()
        sending = asyncio.create_task(send_all(audio, pcm16(utterances(*lengths))))
        await asyncio.wait({sending})
        pong = asyncio.ensure_future(await socket.ping())
        await asyncio.wait({pong}, timeout=2.0)  # several ping timeouts
        assert not pong.done()  # the server reads nothing, nor the pongs that it waits for
        assert socket.close_code is None
        gate.set()
        async with asyncio.timeout(LIMIT_S):
            await sending
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
        assert len([text for text in audio.texts() if text]) == len(lengths)
        await socket.close()


async def send_all(audio: Client, data: bytes) -> None:
    for piece in pieces(data, 3_200):
        await audio.send(piece)


async def test_who_answers_no_ping_is_gone(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"ping_interval_s": 0.1, "ping_timeout_s": 0.3}
    async with run_server(tmp_path, **changes) as server, server.control() as control:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.audio)
        writer.write(
            b"GET /?role=viewer HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with asyncio.timeout(LIMIT_S):
            await reader.readuntil(b"\r\n\r\n")
            rest = await reader.read()  # pings, then the close
        assert struct.pack("!H", 1011) + b"keepalive ping timeout" in rest
        writer.close()
        await control.ask({"type": "ping"}, "pong")  # who answers stays
