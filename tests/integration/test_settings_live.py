"""Status, statistics and live settings over the control port."""

from __future__ import annotations

import threading
from pathlib import Path

from asr.engine import Engine, TrialTime
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.running_server import ScriptedModels, run_server
from tests.support.speech import pcm16, utterances


def took(seconds: float) -> TrialTime:
    return TrialTime(seconds, seconds)


async def test_status_says_what_answers_and_on_what(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        async with server.audio() as audio:
            await audio.send(pcm16(utterances(1.0)))
            await audio.until("final_transcription")
            status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "scripted"
        assert (status["device"], status["ready"], status["streams"]) == ("cpu", True, 1)
        assert status["sessions"] == 1
        assert "Info: Using CPU (consider GPU for better performance)" in status["notices"]


async def test_status_says_how_the_model_in_force_is_used(tmp_path: Path) -> None:
    def make(spec: ModelSpec) -> Engine:
        slow = spec.id == "second"
        return ScriptedEngine(spec.id, trial=lambda load: took(6.0 if slow else 0.01 * load.batch))

    async with (
        run_server(tmp_path, ScriptedModels(make), profile="auto", num_workers=1) as server,
        server.control() as control,
    ):
        status = await control.ask({"type": "get_status"}, "server_status")
        assert (status["profile"], status["profile_setting"]) == ("balanced", "auto")
        assert status["partial_interval_ms"] == 1_000
        assert status["measured"] == {"partial_s": 0.01, "accurate_s": 0.01, "batch_s": 0.08}
        assert not [notice for notice in status["notices"] if "too slow" in notice]
        await control.ask({"type": "load_model", "model_id": "second"}, "model_loaded")
        status = await control.ask({"type": "get_status"}, "server_status")
        assert (status["profile"], status["partial_interval_ms"]) == ("fast", 7_100)
        assert status["measured"] == {"partial_s": 6.0}
        assert [notice for notice in status["notices"] if "second is too slow" in notice]


async def test_statistics_count(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        async with server.audio() as audio:
            await audio.send(pcm16(utterances(1.0, 1.0)))
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
        counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
        assert counters["finals"] == 2
        assert counters["audio_received_s"] == 4.4
        assert counters["decode_items"] >= 2


async def test_settings_are_live_and_per_session(tmp_path: Path) -> None:
    audio_of_two = pcm16(utterances(1.0, 1.0, pause_s=0.9))
    async with run_server(tmp_path, silence_threshold=8) as server:
        async with server.control("?session=patient") as control:
            changed = await control.ask(
                {"type": "update_config", "settings": {"silence_threshold": 20}}, "config_updated"
            )
            assert changed["settings"] == {"silence_threshold": 20}
            config = await control.ask({"type": "get_config"}, "config")
            assert config["settings"]["silence_threshold"] == 20
            assert "silence_threshold" in config["live"]
            assert "model" not in config["live"]
            counts = {}
            for session in ("patient", "usual"):
                async with server.audio(f"?session={session}&events=all") as audio:
                    await audio.send(audio_of_two)
                    await audio.ask({"type": "audio_end"}, "audio_end_ack")
                    counts[session] = len(audio.finals())
        assert counts == {"patient": 1, "usual": 2}


async def test_a_glossary_reaches_the_decodes_of_its_session_alone(tmp_path: Path) -> None:
    engine = ScriptedEngine("scripted")
    audio_of_one = pcm16(utterances(1.0))
    async with (
        run_server(tmp_path, ScriptedModels(lambda _: engine)) as server,
        server.control("?session=clinic") as control,
        server.audio("?session=clinic&events=all") as clinic,
        server.audio("?session=other&events=all") as other,
    ):
        await control.until("connected")
        for glossary in ("ศิริราช, deploy", ""):
            await control.ask(
                {"type": "update_config", "settings": {"glossary": glossary}}, "config_updated"
            )
            engine.batches.clear()
            for audio in (clinic, other):
                await audio.send(audio_of_one)
                await audio.ask({"type": "audio_end"}, "audio_end_ack")
            given = [request.options.glossary for batch in engine.batches for request in batch]
            assert set(given) == ({"ศิริราช deploy", ""} if glossary else {""})
        answer = await control.ask(
            {"type": "update_config", "settings": {"glossary": "ก" * 201}}, "error"
        )
        assert (answer["code"], "200" in answer["message"]) == ("bad_setting", True)


async def test_a_change_is_all_or_nothing(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        await control.ask(
            {"type": "update_config", "settings": {"pre_roll_ms": 100, "vad": "ears"}}, "error"
        )
        config = await control.ask({"type": "get_config"}, "config")
        assert config["settings"]["pre_roll_ms"] == 300


async def test_much_audio_without_speech_is_said(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        await control.until("connected")
        async with server.audio() as audio:
            for _ in range(20):
                await audio.send(bytes(32_000))
            notice = await control.until("notice")
        assert notice["message"] == "Warning: No speech detected in audio stream"


async def test_a_flood_of_stops_or_settings_closes_nobody(tmp_path: Path) -> None:
    gate = threading.Event()

    def make(spec: ModelSpec) -> Engine:
        return ScriptedEngine(spec.id, gate=gate)

    gate.set()  # the first model warms up
    async with (
        run_server(tmp_path, ScriptedModels(make), max_control_messages_per_s=0.0) as server,
        server.control() as flood,
        server.control("?role=viewer") as viewer,
        server.audio() as audio,
    ):
        gate.clear()
        await audio.send(pcm16(utterances(1.0)))
        await audio.until("speech_ended")
        for number in range(400):
            await flood.send({"type": "stop_recording", "request_id": str(number)})
            settings = {"pre_roll_ms": 100 + number}
            await flood.send({"type": "update_config", "settings": settings})
            await flood.until("config_updated")
            await viewer.until("config_updated")
        gate.set()
        assert (await audio.until("final_transcription"))["text"]
        await viewer.until("final_transcription")
        idle = await viewer.until("recording_state", lambda e: e["state"] == "idle")
        assert idle["request_id"] == "0"
        assert (await viewer.ask({"type": "ping"}, "pong"))["type"] == "pong"
