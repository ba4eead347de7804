"""From audio to transcripts over real sockets, with a scripted engine."""

from __future__ import annotations

import asyncio
import base64
import itertools
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from client import FinalTranscription, connect
from tests.support.audio_signals import silence
from tests.support.running_server import Client, RunningServer, run_server
from tests.support.speech import pcm16, pieces, spoken, utterances

FINAL_FIELDS = [
    "type",
    "text",
    "duration",
    "processing_time",
    "speed_ratio",
    "model",
    "timestamp",
    "is_final",
]


WHOLE_WINDOWS_S = 0.384
"""Silence after which an utterance without pre-roll begins with its first voiced sample, so that
its last syllable is whole only if its last sample is there."""


async def say(client: Client, data: bytes, size: int = 3_200) -> None:
    for piece in pieces(data, size):
        await client.send(piece)


async def finals_of(server: RunningServer, session: str, data: bytes, size: int) -> list[str]:
    async with connect(server.audio_url, session=session) as asr:
        events = [event async for event in asr.transcribe(pieces(data, size))]
    return [event.text for event in events if isinstance(event, FinalTranscription)]


async def test_a_final_has_the_published_fields_first_and_reaches_both_ports(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        connected = await control.until("connected")
        assert connected["current_model"] == "scripted"
        assert connected["audio_port"] == server.app.ports.audio
        async with server.audio("") as audio:
            await say(audio, pcm16(utterances(1.0)))
            final = await audio.until("final_transcription")
            assert list(final)[: len(FINAL_FIELDS)] == FINAL_FIELDS
            assert final["text"]
            assert final["model"] == "test/scripted"
            assert final["end_ms"] - final["start_ms"] == pytest.approx(
                final["duration"] * 1000, abs=10
            )
            assert await control.until("final_transcription") == final
            kinds = {event["type"] for event in audio.events}
            assert kinds <= {"realtime_transcription", "final_transcription"}


async def test_partials_grow_before_the_final(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio() as audio:
        for number, piece in enumerate(pieces(pcm16(utterances(4.0)), 3_200)):
            await audio.send(piece)
            if number in (20, 32):  # what is decoded meanwhile would be no partial of it
                await audio.until("realtime_transcription")
        final = await audio.until("final_transcription")
        partials = [e for e in audio.events if e["type"] == "realtime_transcription"]
        assert len(partials) >= 2
        stable = [partial["stable_text"] for partial in partials]
        assert all(after.startswith(before) for before, after in itertools.pairwise(stable))
        assert all(p["text"].startswith(p["stable_text"]) for p in partials)
        assert final["text"].startswith(stable[-1])
        assert stable[-1]


async def test_base64_chunks_and_binary_frames_say_the_same(tmp_path: Path) -> None:
    data = pcm16(utterances(1.0, 0.6))
    async with run_server(tmp_path) as server, server.audio() as audio:
        for index, piece in enumerate(pieces(data, 1_001)):  # samples torn across messages
            encoded = base64.b64encode(piece).decode()
            message = {"type": "audio_chunk", "data": encoded} if index % 2 else piece
            await audio.send(message)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        assert audio.texts() == await finals_of(server, "other", data, 3_200)


async def test_the_same_bytes_however_cut_give_the_same_finals(tmp_path: Path) -> None:
    data = pcm16(utterances(1.2, 0.8, 2.0))
    async with run_server(tmp_path, max_audio_messages_per_s=0.0) as server:
        expected = await finals_of(server, "whole", data, 640)
        assert len(expected) == 3
        for size in (7, 320_000):
            assert await finals_of(server, f"by-{size}", data, size) == expected


async def last_word(server: RunningServer, how: str) -> list[str]:
    """What is heard of audio that ends in mid-word, by how the client ends it."""
    data = pcm16(np.concatenate([silence(WHOLE_WINDOWS_S), spoken(1.0)]))
    async with server.control(f"?session={how}") as control:
        await control.until("connected")
        async with server.audio(f"?session={how}&events=all") as audio:
            await say(audio, data)
            if how == "audio_end":
                await audio.ask({"type": "audio_end"}, "audio_end_ack")
            elif how == "stop_recording":
                await control.until("recording_state", lambda e: e["state"] == "recording")
                await control.ask({"type": "stop_recording"}, "recording_state")
                await control.until("recording_state", lambda e: e["state"] == "idle")
            elif how == "hang_up":
                audio.socket.transport.abort()
            if how == "close":
                await audio.socket.close()
        if not control.finals():
            await control.until("final_transcription")
        return control.texts()


@pytest.mark.parametrize("how", ["audio_end", "stop_recording", "hang_up", "close"])
async def test_a_word_that_ends_with_the_audio_is_in_the_final(tmp_path: Path, how: str) -> None:
    async with run_server(tmp_path, pre_roll_ms=0) as server:
        data = pcm16(np.concatenate([silence(WHOLE_WINDOWS_S), spoken(1.0), silence(1.0)]))
        heard = await last_word(server, how)
        assert len(heard[0]) == 10
        assert heard == await finals_of(server, "ref", data, 3_200)


async def test_the_acknowledgement_follows_every_final(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio() as audio:
        await say(audio, pcm16(utterances(1.0, 1.0, 1.0)))
        ack = await audio.ask({"type": "audio_end", "request_id": "r7"}, "audio_end_ack")
        assert len(audio.finals()) == 3
        assert ack["request_id"] == "r7"
        assert ack["received_ms"] == pytest.approx(6_400, abs=1)
        again = await audio.ask({"type": "audio_end"}, "audio_end_ack")
        assert again["status"] == "already_idle"


async def test_sessions_hear_only_themselves_and_streams_only_their_own(tmp_path: Path) -> None:
    voices = {
        ("north", "n1"): pcm16(utterances(1.0, 2.0, first_hz=180)),
        ("north", "n2"): pcm16(utterances(0.8, 1.6, first_hz=330)),
        ("south", "s1"): pcm16(utterances(1.4, 1.2, first_hz=470)),
        ("south", "s2"): pcm16(utterances(2.2, 0.6, first_hz=640)),
    }
    async with run_server(tmp_path) as server:
        alone = {
            speaker: await finals_of(server, f"alone-{speaker}", data, 3_200)
            for (_, speaker), data in voices.items()
        }
        assert len({tuple(texts) for texts in alone.values()}) == 4
        async with (
            server.control("?session=north") as north,
            server.control("?session=south") as south,
        ):

            async def speak(session: str, speaker: str, data: bytes) -> None:
                query = f"?session={session}&speaker={speaker}&events=all"
                async with server.audio(query) as audio:
                    for piece in pieces(data, 3_200):
                        await audio.send(piece)
                        await asyncio.sleep(0)
                    await audio.ask({"type": "audio_end"}, "audio_end_ack")

            await asyncio.gather(*(speak(*who, data) for who, data in voices.items()))
            for control, speakers in ((north, ("n1", "n2")), (south, ("s1", "s2"))):
                while len(control.finals()) < 4:
                    await control.until("final_transcription")
                heard = {
                    name: [f["text"] for f in control.finals() if f["speaker"] == name]
                    for name in speakers
                }
                assert heard == {name: alone[name] for name in speakers}


async def test_two_channels_split_are_agent_and_customer(tmp_path: Path) -> None:
    left, right = utterances(1.0, first_hz=200), utterances(1.6, first_hz=500)
    stereo = np.zeros((max(len(left), len(right)), 2), dtype=np.float32)
    stereo[: len(left), 0] = left
    stereo[: len(right), 1] = right
    async with run_server(tmp_path) as server, server.audio() as audio:
        configured = await audio.ask(
            {"type": "audio_config", "channels": 2, "channel_mode": "split"}, "audio_configured"
        )
        assert len(configured["stream_ids"]) == 2
        await say(audio, pcm16(stereo.reshape(-1)), 6_400)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        heard = {final["speaker"]: final["text"] for final in audio.finals()}
        assert heard == {
            "agent": (await finals_of(server, "left", pcm16(left), 3_200))[0],
            "customer": (await finals_of(server, "right", pcm16(right), 3_200))[0],
        }


async def test_silence_on_the_wire_in_mid_utterance_ends_it(tmp_path: Path) -> None:
    async with (
        run_server(
            tmp_path, wire_partial_s=0.2, wire_final_s=0.4, first_partial_ms=5_000
        ) as server,
        server.audio("") as audio,
    ):
        await say(audio, pcm16(np.concatenate([silence(0.4), spoken(1.0)])))
        partial = await audio.until("realtime_transcription")
        final = await audio.until("final_transcription")
        assert partial["text"] == final["text"] != ""
        await say(audio, pcm16(utterances(0.6)))
        assert (await audio.until("final_transcription"))["start_ms"] >= final["end_ms"]


async def test_stop_disarms_until_start(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        async with server.audio() as audio:
            await say(audio, pcm16(utterances(1.0)))
            await audio.until("final_transcription")
            stop = {"type": "stop_recording", "request_id": "s1"}
            await control.send(stop)
            idle = await control.until("recording_state", lambda e: e["state"] == "idle")
            assert idle["request_id"] == "s1"
            await say(audio, pcm16(utterances(1.0)))
            assert (await audio.until("error"))["code"] == "not_recording"
            started = await control.ask({"type": "start_recording"}, "recording_state")
            assert started["state"] == "recording"
            await say(audio, pcm16(utterances(1.0)))
            await audio.until("final_transcription")
            assert sum(event["type"] == "error" for event in audio.events) == 1
        assert (await control.ask(stop, "recording_state"))["state"] in {"idle", "flushing"}


async def test_a_viewer_hears_and_may_not_speak(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio("?role=viewer") as viewer:
        async with server.control("?role=viewer") as watcher:
            await watcher.until("connected")
            refused = await watcher.ask({"type": "load_model", "model_id": "second"}, "error")
            assert refused["code"] == "forbidden"
        await viewer.send(b"\0\0" * 100)
        assert (await viewer.until("error"))["code"] == "forbidden"
        async with server.audio() as audio:
            await say(audio, pcm16(utterances(1.0)))
            final = await audio.until("final_transcription")
            assert await viewer.until("final_transcription") == final


async def test_a_shutdown_finishes_what_was_said_and_says_so(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio() as audio:
        await say(audio, pcm16(np.concatenate([silence(0.4), spoken(1.0)])))
        await audio.until("speech_started")
        server.app.stop()
        await audio.until("server_shutdown")
        assert (await audio.until("final_transcription"))["text"]
        with pytest.raises(ConnectionClosed) as closed:
            await audio.until("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        await asyncio.wait_for(server.task, 10)
