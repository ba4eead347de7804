"""Models over the control port, with scripted engines."""

from __future__ import annotations

import threading
from pathlib import Path

from asr.engine import Engine
from asr.scripted_engine import ScriptedEngine
from asr.types import DecodeKind, ModelSpec
from tests.support.running_server import ScriptedModels, run_server
from tests.support.speech import pcm16, utterances


async def test_the_catalogue_and_a_switch_that_everybody_hears_of(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        async with server.control("?session=elsewhere") as other:
            await other.until("connected")
            listed = await control.ask({"type": "get_models"}, "available_models")
            states = {model["id"]: model["state"] for model in listed["models"]}
            assert states == {
                "scripted": "ready",
                "second": "on_disk",
                "broken": "on_disk",
                "far": "remote",
            }
            near, *_, far = listed["models"]
            assert near["type"] == "faster_whisper"
            assert (near["licence"], near["prompt_allowed"]) == ("unknown", True)
            assert "terms" not in near
            assert (far["licence"], far["terms"]) == ("mit", "Ask its authors.")
            assert far["prompt_allowed"] is False
            loaded = await control.ask(
                {"type": "load_model", "model_id": "second", "request_id": "m"}, "model_loaded"
            )
            assert (loaded["model_id"], loaded["status"]) == ("second", "success")
            assert loaded["request_id"] == "m"
            assert (await other.until("model_loaded"))["model_id"] == "second"
        async with server.control() as late:
            assert (await late.until("connected"))["current_model"] == "second"


async def test_a_model_that_cannot_be_loaded_leaves_the_old_one_answering(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        for model_id, code in (
            ("broken", "model_load_failed"),
            ("never heard of", "unknown_model"),
        ):
            error = await control.ask({"type": "load_model", "model_id": model_id}, "error")
            assert error["code"] == code
            if code != "unknown_model":
                assert error["message"].startswith(f"Failed to load model {model_id}")
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "scripted"
        async with server.audio() as audio:
            await audio.send(pcm16(utterances(1.0)))
            assert (await audio.until("final_transcription"))["model_id"] == "scripted"


async def test_an_utterance_ends_on_the_model_it_began_with(tmp_path: Path) -> None:
    data = pcm16(utterances(2.0, 1.0))
    half = len(data) // 3
    async with run_server(tmp_path) as server, server.control() as control:
        await control.until("connected")
        async with server.audio() as audio:
            await audio.send(data[:half])
            await audio.until("speech_started")
            await control.ask({"type": "load_model", "model_id": "second"}, "model_loaded")
            await audio.send(data[half:])
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            assert [f["model_id"] for f in audio.finals()] == ["scripted", "second"]


async def test_a_failing_decode_is_an_error_and_not_silence(tmp_path: Path) -> None:
    def make(spec: ModelSpec) -> Engine:
        return ScriptedEngine(
            spec.id,
            fail_on=lambda r: (
                r.kind is DecodeKind.FINAL and r.utterance_id == 1 and r.stream_id != "warm-up"
            ),
        )

    async with run_server(tmp_path, ScriptedModels(make)) as server, server.audio() as audio:
        await audio.send(pcm16(utterances(1.0, 1.0)))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        errors = [event for event in audio.events if event["type"] == "error"]
        assert [(e["code"], e["utterance_id"]) for e in errors] == [("scripted_failure", 1)]
        assert [final["utterance_id"] for final in audio.finals()] == [2]


async def test_a_slow_model_slows_the_sender_and_loses_nothing(tmp_path: Path) -> None:
    gate = threading.Event()

    def make(spec: ModelSpec) -> Engine:
        return ScriptedEngine(spec.id, gate=gate)

    gate.set()
    async with run_server(tmp_path, ScriptedModels(make)) as server, server.audio() as audio:
        gate.clear()
        data = pcm16(utterances(*[0.6] * 12))
        await audio.send(data[:320_000])
        await audio.send(data[320_000:])
        await audio.until("speech_ended", lambda e: e["utterance_id"] == 4)
        gate.set()
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        assert [final["utterance_id"] for final in audio.finals()] == list(range(1, 13))


async def test_a_flood_of_loads_is_refused_and_others_hear_of_the_model_once(
    tmp_path: Path,
) -> None:
    gate = threading.Event()

    def make(spec: ModelSpec) -> Engine:
        if spec.id == "second":
            assert gate.wait(20)
        return ScriptedEngine(spec.id)

    async with (
        run_server(tmp_path, ScriptedModels(make)) as server,
        server.control() as flood,
        server.control("?session=other") as other,
    ):
        await other.until("connected")
        for _ in range(50):
            await flood.send({"type": "load_model", "model_id": "second"})
        assert (await flood.until("error"))["code"] == "busy"
        gate.set()
        await other.until("model_loaded")
        await other.ask({"type": "ping"}, "pong")
        assert sum(event["type"] == "model_loaded" for event in other.events) == 1


async def test_what_is_known_of_each_model_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "model.bin").write_bytes(bytes(2_000_000))

    class OnDisk(ScriptedModels):
        def locate(self, spec: ModelSpec) -> Path | None:
            return folder if spec.id == "second" else super().locate(spec)

    async with run_server(tmp_path, OnDisk()) as server, server.control() as control:
        listed = await control.ask({"type": "get_models"}, "available_models")
        models = {model["id"]: model for model in listed["models"]}
        assert models["second"]["size_mb"] == 2
        assert models["far"]["size_mb"] == 700
        assert "size_mb" not in models["broken"]
        assert models["far"]["scores"] == [
            {"metric": "CER", "value": 9.5, "test_set": "FLEURS", "source": "a paper"}
        ]
        assert "scores" not in models["second"]


async def test_every_control_connection_hears_how_far_a_load_is(tmp_path: Path) -> None:
    gate = threading.Event()

    def make(spec: ModelSpec) -> Engine:
        if spec.id == "second":
            assert gate.wait(20)
        return ScriptedEngine(spec.id)

    async with (
        run_server(tmp_path, ScriptedModels(make)) as server,
        server.control() as asker,
        server.control("?session=other") as other,
        server.audio() as audio,
    ):
        await other.until("connected")
        await asker.send({"type": "load_model", "model_id": "second"})
        begun = await other.until("model_progress")
        assert begun == {"type": "model_progress", "model_id": "second", "phase": "loading"}
        async with server.control() as late:
            listed = await late.ask({"type": "get_models"}, "available_models")
            states = {model["id"]: model["state"] for model in listed["models"]}
            assert (states["scripted"], states["second"]) == ("ready", "loading")
            gate.set()
            await late.until("model_loaded")
        for client in (asker, other):
            await client.until("model_loaded")
            told = [e["phase"] for e in client.events if e["type"] == "model_progress"]
            assert told == ["loading", "measuring"]
            assert client.events[-2]["type"] == "model_progress"
        await audio.ask({"type": "ping"}, "pong")
        assert "model_progress" not in {event["type"] for event in audio.events}


async def test_a_load_that_fails_is_told_to_all_and_answered_to_the_asker(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.control() as asker,
        server.control("?session=other") as other,
    ):
        await other.until("connected")
        error = await asker.ask({"type": "load_model", "model_id": "broken"}, "error")
        for client in (asker, other):
            if client is other:
                await client.until("model_progress", lambda event: event["phase"] == "failed")
            told = [e for e in client.events if e["type"] == "model_progress"]
            assert [event["phase"] for event in told] == ["loading", "failed"]
            assert told[-1]["message"] == error["message"]
        await other.ask({"type": "ping"}, "pong")
        assert "error" not in {event["type"] for event in other.events}


async def test_status_says_how_late_finals_are_and_which_version_answers(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.control() as control,
        server.audio() as audio,
    ):
        before = await control.ask({"type": "get_status"}, "server_status")
        assert "final_latency_ms" not in before
        assert before["version"] == control.events[0]["version"]
        await audio.send(pcm16(utterances(1.0)))
        await audio.until("final_transcription")
        after = await control.ask({"type": "get_status"}, "server_status")
        assert 0 <= after["final_latency_ms"] < 60_000
        assert 0.0 <= after["load"] <= 1.0
