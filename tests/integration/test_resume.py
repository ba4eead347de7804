"""Sessions that survive: lost connections, late viewers, positions."""

from __future__ import annotations

import asyncio
import base64
import threading
from pathlib import Path

import pytest

from asr.scripted_engine import ScriptedEngine
from tests.support.audio_signals import pcm16, silence, synthetic_speech
from tests.support.resuming import ResumingClient
from tests.support.running_server import RunningServer, ScriptedModels, run_server
from tests.support.speech import pieces

SAID = pcm16(synthetic_speech(1.4)) + pcm16(silence(1.0))
TALK = b"".join((SAID, pcm16(synthetic_speech(2.2, seed=3)), pcm16(silence(1.0)), SAID))
BLOCK_BYTES = 1_280


async def uncut(server: RunningServer) -> list[str]:
    async with ResumingClient(server.audio_url, "&session=uncut") as client:
        await client.say(list(pieces(TALK, BLOCK_BYTES)))
        await client.end()
        return client.texts()


@pytest.mark.parametrize("cut_at", [0, 1, 17, 40, 61, 90, 140])
async def test_a_cut_anywhere_changes_no_text(tmp_path: Path, cut_at: int) -> None:
    async with run_server(tmp_path, wire_partial_s=0.1, wire_final_s=0.2) as server:
        expected = await uncut(server)
        assert len(expected) == 3
        blocks = list(pieces(TALK, BLOCK_BYTES))
        async with (
            server.audio("?role=viewer&events=all&session=s") as viewer,
            ResumingClient(server.audio_url, "&session=s") as client,
        ):
            await client.say(blocks[:cut_at])
            client.cut()
            await client.lost()
            await asyncio.sleep(0.5)  # longer than the timers that end what the wire leaves open
            connected = await client.connect()
            assert connected["resumed"]
            await client.say(blocks[cut_at:])
            await client.end()
            assert client.texts() == expected
            streams = {final["stream_id"] for final in client.finals()}
            assert len(streams) == 1
            ids = [final["utterance_id"] for final in client.finals()]
            assert len(set(ids)) == len(ids) == 3
            while len(viewer.texts()) < 3:
                await viewer.until("final_transcription")
            assert viewer.texts() == expected
            assert not [e for e in client.events if e["type"] == "error"]


async def test_many_cuts_while_speaking(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        expected = await uncut(server)
        blocks = list(pieces(TALK, BLOCK_BYTES))
        async with ResumingClient(server.audio_url) as client:
            for start in range(0, len(blocks), 10):
                await client.say(blocks[start : start + 10])
                client.cut()
                await client.lost()
                assert (await client.connect())["resumed"]
            await client.end()
            assert client.texts() == expected


async def test_a_connection_that_only_seems_to_stand_is_replaced(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        expected = await uncut(server)
        blocks = list(pieces(TALK, BLOCK_BYTES))
        async with ResumingClient(server.audio_url) as client:
            await client.say(blocks[:50])
            old = client.socket
            await client.until("speech_started")
            assert (await client.connect())["resumed"]
            await client.say(blocks[50:])
            await client.end()
            assert client.texts() == expected
            await old.wait_closed()


async def test_a_connection_whose_audio_waits_for_room_is_replaced(tmp_path: Path) -> None:
    """The server is behind and reads nothing, so it does not see that the old one is gone."""
    gate = threading.Event()
    gate.set()
    models = ScriptedModels(lambda spec: ScriptedEngine(spec.id, gate=gate))
    async with (
        run_server(tmp_path, models, inbox_audio_s=0.5) as server,
        ResumingClient(server.audio_url) as client,
    ):
        gate.clear()
        await client.say(list(pieces(SAID * 8, 12_800)))
        for _ in range(4):  # as many finals wait as may
            await client.until("speech_ended")
        client.cut()
        assert (await client.connect())["resumed"]
        gate.set()
        await client.end()
        assert len(client.texts()) == 8
        assert [final["utterance_id"] for final in client.finals()] == list(range(1, 9))


async def test_a_final_that_was_lost_on_its_way_is_said_again(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.control("?session=s") as control,
        ResumingClient(server.audio_url, "&session=s") as client,
    ):
        await client.say([SAID])
        final = await control.until("final_transcription")
        client.cut()  # nothing was read
        await control.until("notice", lambda n: n["code"] == "speaker_away")
        await client.connect()
        again = await client.until("final_transcription")
        assert again == final
        await control.until("notice", lambda n: n["code"] == "speaker_back")
        await client.end()
        assert client.texts() == [final["text"]]


async def test_an_acknowledgement_that_was_lost_is_said_again(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.control("?session=s") as control,
        ResumingClient(server.audio_url, "&session=s") as client,
    ):
        await client.say([SAID])
        await client.send({"type": "audio_end", "request_id": "mine"})
        await control.until("recording_state", lambda e: e["state"] == "idle")
        client.cut()
        await client.connect()
        ack = await client.until("audio_end_ack")
        assert ack["request_id"] == "mine"
        assert client.unacknowledged == 0
        assert len(client.finals()) == 1


async def test_who_does_not_come_back_in_time_has_finished(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, resume_s=0.3, wire_final_s=0.2, wire_partial_s=0.1) as server,
        server.control("?session=s") as control,
    ):
        client = ResumingClient(server.audio_url, "&session=s")
        await client.connect()
        await client.say([pcm16(synthetic_speech(1.4))])
        client.cut()
        await control.until("final_transcription")
        await control.until("recording_state", lambda e: e["state"] == "idle")
        connected = await client.connect()
        assert connected["resumed"] is False
        assert "received_messages" not in connected
        await client.say([SAID])
        await client.until("final_transcription")
        await client.socket.close()


async def test_a_client_that_closes_is_gone_at_once(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control("?session=s") as control:
        client = ResumingClient(server.audio_url, "&session=s")
        await client.connect()
        await client.say([pcm16(synthetic_speech(1.4))])
        await client.socket.close()
        await control.until("final_transcription")
        assert (await client.connect())["resumed"] is False
        await client.socket.close()


async def test_a_silent_client_that_answers_pings_is_taken_at_its_word(tmp_path: Path) -> None:
    """It did not say audio_end; its network stands, so the pause is its own."""
    async with (
        run_server(tmp_path, wire_partial_s=0.1, wire_final_s=0.3) as server,
        ResumingClient(server.audio_url) as client,
    ):
        await client.say([pcm16(synthetic_speech(1.4))])
        final = await client.until("final_transcription")
        assert final["end_reason"] == "flush"


async def test_a_late_viewer_finds_what_was_said(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio("?session=s&events=all") as speaker:
        await speaker.send(SAID)
        final = await speaker.until("final_transcription")
        await speaker.send(pcm16(synthetic_speech(1.4, seed=5)))
        partial = await speaker.until("realtime_transcription")
        async with server.audio("?session=s&role=viewer&events=all") as viewer:
            snapshot = await viewer.until("session_snapshot")
            assert snapshot["finals"] == [final]
            assert [p["utterance_id"] for p in snapshot["partials"]] == [2]
            assert snapshot["last_event_id"] >= partial["event_id"]
            assert snapshot["recording_state"] == "recording"
            await speaker.send({"type": "audio_end"})
            last = await viewer.until("final_transcription")
            assert last["event_id"] > snapshot["last_event_id"]


async def test_a_session_without_words_has_no_snapshot(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.audio("?role=viewer&events=all") as viewer,
    ):
        await viewer.send({"type": "ping"})
        await viewer.until("pong")
        assert [e["type"] for e in viewer.events] == ["connected", "pong"]


async def test_numbered_chunks_are_taken_once(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        expected = await uncut(server)
        async with server.audio() as audio:
            for number, block in enumerate(pieces(TALK, 12_800), start=7):
                chunk = {"type": "audio_chunk", "data": base64.b64encode(block).decode()}
                for _ in range(2):
                    await audio.send({**chunk, "seq": number})
            position = await audio.until("audio_position")
            assert position["seq"] >= 7
            await audio.send({"type": "audio_end"})
            await audio.until("audio_end_ack")
            assert audio.texts() == expected
            await audio.send({"type": "audio_chunk", "data": "AAAA", "seq": 9_000})
            error = await audio.until("error")
            assert error["code"] == "audio_gap"


async def test_numbers_that_nobody_counts_to_are_answered_and_no_more(tmp_path: Path) -> None:
    chunk = {"type": "audio_chunk", "data": "AAAA"}
    async with run_server(tmp_path, max_errors_per_s=5.0) as server, server.audio() as audio:
        for number in (0, 10**400):
            await audio.send({**chunk, "seq": number})
        assert (await audio.until("error"))["code"] == "bad_message"
        for hole in range(1_000):
            await audio.send({**chunk, "seq": 2 + 2 * hole})
        omitted = await audio.until("error", lambda e: e["code"] == "errors_omitted")
        told = [e for e in audio.events if e.get("code") == "audio_gap"]
        assert 5 <= len(told) <= 60
        assert int(omitted["message"].split()[0]) > 500
        assert await audio.ask({"type": "ping"}, "pong")


async def test_a_wrong_token_gets_a_new_place(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        client = ResumingClient(server.audio_url)
        client.token = "wrong"
        connected = await client.connect()
        assert connected["resumed"] is False
        assert connected["resume_token"] != "wrong"
        await client.socket.close()


@pytest.mark.parametrize("first", ["{", '{"type": "audio_end"}', b"\0\0"])
async def test_a_connection_that_promised_to_come_back_says_so_first(
    tmp_path: Path, first: str | bytes
) -> None:
    async with run_server(tmp_path) as server, server.audio("?resume=back") as audio:
        await audio.send(first)
        assert (await audio.until("error"))["fatal"]
        await audio.socket.wait_closed()
        assert audio.socket.close_code == 1008


async def test_a_private_session_is_found_again(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        client = ResumingClient(server.control_url, "&session=alone")
        before = await client.connect()
        client.cut()
        await client.lost()
        after = await client.connect()
        assert after["resumed"]
        assert after["session_id"] == before["session_id"]
        await client.socket.close()
