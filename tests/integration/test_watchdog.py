"""Decode threads that die or hang in a running server, and what people and probes are told."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from pathlib import Path

import pytest

from asr.engine import Engine
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.losing_engine import LosingEngine
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, utterances

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]


DIED = 'thai_asr_decode_threads_lost_total{reason="decode_thread_died"} '


async def readiness(server: RunningServer, path: str = "/readyz") -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.app.ports.control, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


def models(*engines: Callable[[], Engine]) -> ScriptedModels:
    """These in the order in which they are opened; the last goes on."""
    left = list(engines)

    def make(_: ModelSpec) -> Engine:
        return left.pop(0)() if len(left) > 1 else left[0]()

    return ScriptedModels(make)


async def speak(audio: Client, *seconds: float) -> None:
    await audio.send(pcm16(utterances(*seconds)))
    await audio.send({"type": "audio_end"})


async def test_a_thread_that_dies_costs_nobody_a_word(tmp_path: Path) -> None:
    engine = LosingEngine("scripted", workers=2)
    async with run_server(tmp_path, models(lambda: engine)) as server, server.audio() as audio:
        engine.kill_once = True
        await speak(audio, 1.0, 1.2, 1.4)
        await audio.until("audio_end_ack")
        assert len(audio.finals()) == 3
        assert all(audio.texts())
        assert not [event for event in audio.events if event["type"] in ("error", "gap")]
        assert await readiness(server) == (200, "ready\n")
        _, page = await readiness(server, "/metrics")
    (line,) = (each for each in page.splitlines() if each.startswith(DIED))
    assert float(line.removeprefix(DIED)) >= 3


async def test_a_decode_that_kills_twice_fails_by_name_and_no_other(tmp_path: Path) -> None:
    engine = LosingEngine("scripted", workers=2)
    engine.dies_at_s = 1.9
    async with run_server(tmp_path, models(lambda: engine)) as server, server.audio() as audio:
        await speak(audio, 1.0, 3.0, 1.0)
        await audio.until("audio_end_ack")
    assert [final["utterance_id"] for final in audio.finals()] == [1, 3]
    (gap,) = [event for event in audio.events if event["type"] == "gap"]
    assert (gap["utterance_id"], gap["reason"]) == (2, "decode_thread_died")
    errors = [event for event in audio.events if event["type"] == "error"]
    assert {error["code"] for error in errors} == {"decode_thread_died"}
    assert errors[-1]["utterance_id"] == 2


async def test_when_every_thread_hangs_probes_and_people_are_told_and_the_model_is_opened_anew(
    tmp_path: Path,
) -> None:
    hanging = LosingEngine("scripted")
    source = models(lambda: hanging, lambda: ScriptedEngine("scripted"))
    async with (
        run_server(tmp_path, source, decode_timeout_s=0.2) as server,
        server.control() as control,
        server.audio() as audio,
    ):
        hanging.any_hangs = 99
        await speak(audio, 1.0, 1.0, 1.0)
        told = await control.until("notice", lambda e: e["code"] == "decodes_hang")
        assert (told["level"], "hangs" in told["message"]) == ("warning", True)
        await control.until("notice", lambda e: e["level"] == "info")
        assert await readiness(server) == (200, "ready\n")
        await audio.until("audio_end_ack")
        outcomes = [e for e in audio.events if e["type"] in ("final_transcription", "gap")]
        assert {outcome["utterance_id"] for outcome in outcomes} == {1, 2, 3}
        async with server.audio("?events=all&session=later") as later:
            await speak(later, 1.0)
            await later.until("audio_end_ack")
            assert all(later.texts())
        hanging.release.set()


async def test_speech_without_text_is_reported_until_text_comes(tmp_path: Path) -> None:
    engine = LosingEngine("scripted")
    async with (
        run_server(tmp_path, models(lambda: engine), no_text_s=2.0) as server,
        server.control() as control,
        server.audio() as audio,
    ):
        engine.gate.clear()
        await speak(audio, 1.0)
        told = await control.until("notice")
        assert told["code"] == "no_text"
        status, why = await readiness(server)
        assert status == 503
        assert why.startswith("degraded: audio comes in and no text goes out")
        assert await readiness(server, "/healthz") == (200, "ok\n")
        _, page = await readiness(server, "/metrics")
        assert 'thai_asr_degraded{reason="no_text"} 1.0' in page
        assert "thai_asr_ready 0.0" in page
        answer = await control.ask({"type": "get_status"}, "server_status")
        assert any("no text goes out" in notice for notice in answer["notices"])
        engine.gate.set()
        await audio.until("audio_end_ack")
        assert len(audio.finals()) == 1
        await control.until("notice", lambda e: (e["level"], e["code"]) == ("info", "no_text"))
        assert await readiness(server) == (200, "ready\n")
