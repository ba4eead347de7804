"""Places and memory that many share: nobody loses its own to what others do."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import pytest

from audio.types import AudioError
from audio.vad import EnergyDetector
from server.replay import PASSING
from server.seats import MAX_AWAY
from tests.support.audio_signals import pcm16, silence, synthetic_speech
from tests.support.resuming import ResumingClient
from tests.support.running_server import EVENT_LIMIT_S, run_server

SAID = pcm16(synthetic_speech(1.4)) + pcm16(silence(1.0))
STATUS = {"type": "get_status"}


async def test_several_with_one_token_at_once_end_in_the_place_and_the_last_has_it(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path) as server:
        client = ResumingClient(server.audio_url, "&session=s")
        token = (await client.connect())["resume_token"]
        rivals = [ResumingClient(server.audio_url) for _ in range(4)]
        for rival in rivals:
            rival.token = token
        greetings = await asyncio.gather(*(r.connect() for r in rivals), return_exceptions=True)
        held = []
        for rival, greeting in zip(rivals, greetings, strict=True):
            if not isinstance(greeting, BaseException):
                assert (greeting["resumed"], greeting["session_id"]) == (True, "s")
                held.append(rival)
        for rival in held[:-1]:
            await rival.socket.wait_closed()
        async with held[-1] as last:
            await last.say([SAID])
            await last.end()
            assert len(last.texts()) == 1


async def test_many_who_come_and_go_do_not_cost_a_speaker_its_place(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control("?session=s") as control:
        client = ResumingClient(server.audio_url, "&session=s")
        await client.connect()
        client.cut()
        await control.until("notice", lambda n: n["code"] == "speaker_away")
        for _ in range(MAX_AWAY + 1):
            async with server.control("?resume=new&session=t&role=viewer") as stranger:
                await stranger.until("connected")
                stranger.socket.transport.abort()
        assert (await client.connect())["resumed"]
        await client.socket.close()


async def test_others_who_talk_cost_nobody_the_finals_that_it_missed(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, max_audio_messages_per_s=0) as server,
        server.control("?session=s") as control,
    ):
        client = ResumingClient(server.audio_url, "&session=s")
        await client.connect()
        client.socket.transport.pause_reading()
        await client.say([SAID, SAID])
        for _ in range(2):
            await control.until("final_transcription")
        client.cut()
        async with server.audio("?session=s") as other:
            hole = base64.b64encode(SAID[:320]).decode()
            for number in range(PASSING.events + 1):
                await other.send({"type": "audio_chunk", "data": hole, "seq": 2 * number})
            await other.send({"type": "audio_end", "request_id": "r"})
            await other.until("audio_end_ack")
        streams = (await client.connect())["stream_ids"]
        await client.end()
        own = [final for final in client.finals() if final["stream_id"] in streams]
        assert len(own) == 2
        assert "events_missed" not in {e.get("code") for e in client.events}


async def test_a_session_ends_whose_speaker_fails_while_its_client_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def fail(*_: object) -> None:
        go_on.wait(10)
        raise AudioError("vad_failed", "the detector broke")

    async with run_server(tmp_path, resume_s=0.5) as server:
        client = ResumingClient(server.audio_url, "&session=s")
        await client.connect()
        monkeypatch.setattr(EnergyDetector, "probabilities", fail)
        await client.send(SAID)
        async with server.control("?session=s") as control:
            client.cut()
            await control.until("notice", lambda n: n["code"] == "speaker_away")
            go_on.set()
            await control.until("error", lambda e: e["code"] == "vad_failed")
        async with server.control("?session=other") as control:
            async with asyncio.timeout(EVENT_LIMIT_S):
                while (await control.ask(STATUS, "server_status"))["sessions"] > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
