"""More speakers than the machine can hear, with an engine that is slow in a known way."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr.calibration import TRIAL_SPEECH_S
from asr.engine import TrialLoad, TrialTime
from asr.scripted_engine import ScriptedEngine
from tests.support.resuming import ResumingClient
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.server_status import status_of, until_status
from tests.support.speaking import BLOCK_BYTES, say
from tests.support.speech import pcm16, pieces, utterances

LIMIT_S = 60.0
COST = 0.15
"""Seconds of the one worker for a second of audio, one utterance at a time."""


def slow_models() -> ScriptedModels:
    """One worker, no batches: of people who speak half of the time, it hears a dozen at most."""

    def trial(load: TrialLoad) -> TrialTime:
        return TrialTime(wall_s=COST * TRIAL_SPEECH_S, cpu_s=COST * TRIAL_SPEECH_S)

    return ScriptedModels(
        lambda spec: ScriptedEngine(
            spec.id,
            workers=1,
            max_batch=1,
            delay=lambda batch: COST * sum(item.request.audio_s for item in batch),
            trial=trial,
        )
    )


async def speak(server: RunningServer, name: str, turns: int) -> list[float] | None:
    """Speak in real time: how long each final took after its last sound; None: refused."""
    try:
        async with server.audio(f"?session={name}&events=all") as client:
            latencies: list[float] = []
            for _ in range(turns):
                spoken_until = asyncio.create_task(say_turn(client))
                final = await client.until("final_transcription")
                latencies.append(time.monotonic() - await spoken_until)
                assert final["text"]
            return latencies
    except InvalidStatus:
        return None


async def say_turn(client: Client) -> float:
    """A second of speech and silence for the endpoint; returns when the last sound was sent."""
    sound = pcm16(utterances(1.0, pause_s=0.0))
    await say(client, sound, pace_s=BLOCK_BYTES / 32_000)
    said_s = time.monotonic()
    for piece in pieces(bytes(32_000), BLOCK_BYTES):
        await client.send(piece)
        await asyncio.sleep(BLOCK_BYTES / 32_000)
    return said_s


async def test_speakers_beyond_the_machine_are_refused_and_those_inside_are_heard_in_time(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path, slow_models(), profile="fast") as server:
        async with asyncio.timeout(LIMIT_S):
            told = await asyncio.gather(*(speak(server, f"s{n}", 3) for n in range(32)))
        async with server.control() as control:
            status = await status_of(control)
            counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
    inside = [latencies for latencies in told if latencies is not None]
    refused = len(told) - len(inside)
    assert 2 <= len(inside) <= 12
    assert status["refusals"] == {"overloaded": refused}
    assert counters["admission_refusing"] >= 1
    # with all 32 finals would wait behind 31 others, longer and longer
    assert median(latency for latencies in inside for latency in latencies) < 3.0


@dataclass(frozen=True, slots=True)
class Gated:
    """A server whose finals wait for a gate, which is open at first."""

    server: RunningServer
    control: Client
    waiting: Client
    gate: threading.Event

    async def overload(self) -> None:
        """Have a final be so late that nobody more is let in."""
        self.gate.clear()
        await say(self.waiting, pcm16(utterances(1.0)))
        await until_admission(self.control, "refusing")


@asynccontextmanager
async def gated(tmp_path: Path) -> AsyncIterator[Gated]:
    gate = threading.Event()
    gate.set()
    models = ScriptedModels(lambda spec: ScriptedEngine(spec.id, gate=gate))
    async with (
        run_server(tmp_path, models, admit_latency_s=0.5) as server,
        server.control() as control,
        server.audio("?session=late&events=all") as waiting,
    ):
        yield Gated(server, control, waiting, gate)


async def test_late_finals_close_the_door_and_it_opens_again(tmp_path: Path) -> None:
    async with (
        gated(tmp_path) as late,
        late.server.audio("?session=early&events=all") as early,
    ):
        server, control = late.server, late.control
        await late.overload()
        with pytest.raises(InvalidStatus) as refused:
            async with server.audio():
                pass
        assert refused.value.response.status_code == 503
        assert b"no room" in (refused.value.response.body or b"")
        assert refused.value.response.headers["Retry-After"] == "10"
        async with server.audio("?role=viewer"), server.control():
            pass  # who only listens is let in
        late.gate.set()
        await late.waiting.until("final_transcription")
        await until_admission(control, "admitting")
        async with server.audio() as speaker:
            await say(speaker, pcm16(utterances(1.0)))
            assert (await speaker.until("final_transcription"))["text"]
        await say(early, pcm16(utterances(1.0)))
        assert (await early.until("final_transcription"))["text"]


async def test_a_connection_that_begins_to_speak_in_an_overload_is_closed_with_1013(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.capacity.RECENT_S", 0.2)  # an old connection, soon
    async with (
        gated(tmp_path) as late,
        late.server.audio("?session=silent&events=all") as silent,
    ):
        await late.overload()
        await silent.send(bytes(3_200))
        with pytest.raises(ConnectionClosed) as closed:
            await silent.until("nothing")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1013,
            "overloaded; try again later",
        )
        assert [e["code"] for e in silent.events if e["type"] == "error"] == ["overloaded"]
        late.gate.set()
        assert (await late.waiting.until("final_transcription"))["text"]
        status = await status_of(late.control)
        assert status["refusals"] == {"overloaded": 1}


async def test_what_is_refused_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was refused comes back with every word that it had sent."""
    monkeypatch.setattr("server.capacity.RECENT_S", 0.2)  # an old connection, soon
    async with (
        gated(tmp_path) as late,
        ResumingClient(late.server.audio_url, "&session=refused") as refused,
    ):
        control = late.control
        await late.overload()
        burst = pieces(pcm16(utterances(1.0, 1.0)), 3_200)
        await refused.say(burst)
        await refused.lost()
        assert refused.socket.close_code == 1013
        assert [e["code"] for e in refused.events if e["type"] == "error"] == ["overloaded"]
        assert refused.unacknowledged == len(burst)
        late.gate.set()
        await until_admission(control, "admitting")
        assert (await refused.connect())["received_messages"] == 0
        await refused.end()
        assert len(refused.texts()) == 2
        counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
    assert counters["streams_refused_overloaded"] == counters["limit_closes_overloaded"] == 1


async def until_admission(control: Client, step: str) -> None:
    await until_status(control, lambda status: bool(status["admission"] == step))


async def test_a_file_is_slowed_while_others_need_the_workers_and_not_otherwise(
    tmp_path: Path,
) -> None:
    """60 s of audio: at once when alone; no faster than 4x beyond the first 30 s when not."""
    data = bytes(60 * 32_000)
    async with run_server(tmp_path, slow_models(), admit_latency_s=0.0) as server:
        async with asyncio.timeout(LIMIT_S):
            alone_s = await send_file(server, "alone", data)
            stop = asyncio.Event()
            speakers = [asyncio.create_task(go_on(server, f"s{n}", stop)) for n in range(16)]
            async with server.control() as control:
                await until_status(control, lambda status: bool(status["load"] > 0.9))
                beside_s = await send_file(server, "beside", data)
                counters = await control.ask({"type": "get_statistics"}, "statistics")
                stop.set()
                await asyncio.gather(*speakers)
    assert alone_s < 4.0
    assert beside_s > 5.0
    assert counters["counters"]["audio_slowed_s"] > 3.0


async def send_file(server: RunningServer, name: str, data: bytes) -> float:
    began_s = time.monotonic()
    async with server.audio(f"?session={name}&events=all") as client:
        for piece in pieces(data, 32_000):
            await client.send(piece)
        ack = await client.ask({"type": "audio_end"}, "audio_end_ack")
        assert ack["received_ms"] == len(data) // 32
        assert not [e for e in client.events if e["type"] == "error"], json.dumps(client.events)
    return time.monotonic() - began_s


async def go_on(server: RunningServer, name: str, stop: asyncio.Event) -> None:
    async with server.audio(f"?session={name}") as client:
        while not stop.is_set():
            await say(client, pcm16(utterances(1.0)), pace_s=BLOCK_BYTES / 32_000)
