"""Shadow runs over the control port, with scripted engines."""

from __future__ import annotations

import threading
from pathlib import Path

from asr.engine import Engine
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, utterances

SHADOW_SECOND = {"type": "load_model", "model_id": "second", "shadow": True}
SAID = ("กา", "ขา", "คา", "งา", "จา", "ชา", "ดา", "ตา")


def differing(spec: ModelSpec) -> Engine:
    """The second model hears one vowel differently in what it says."""
    script = [*SAID] if spec.id != "second" else ["กี", *SAID[1:]]
    return ScriptedEngine(spec.id, script)


def end(*, keep: bool, model_id: str = "second") -> dict[str, object]:
    return {"type": "end_shadow", "model_id": model_id, "keep": keep}


async def speak(server: RunningServer, count: int) -> list[str]:
    """Utterances one after the other; the models that answered."""
    async with server.audio() as audio:
        for _ in range(count):
            await audio.send(pcm16(utterances(1.0)))
            await audio.until("final_transcription")
        return [final["model_id"] for final in audio.finals()]


async def until_compared(control: Client, count: int) -> dict[str, object]:
    report = await control.until(
        "shadow_report", lambda event: event["comparison"]["utterances"] == count
    )
    comparison: dict[str, object] = report["comparison"]
    return comparison


async def test_two_models_decode_the_same_and_one_of_them_answers(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, ScriptedModels(differing)) as server,
        server.control() as control,
        server.control("?session=elsewhere") as other,
    ):
        await other.until("connected")
        started = await control.ask(SHADOW_SECOND | {"request_id": "s"}, "shadow_started")
        assert (started["model_id"], started["current_model"]) == ("second", "scripted")
        assert started["request_id"] == "s"
        await other.until("shadow_started")
        assert await speak(server, 2) == ["scripted", "scripted"]
        comparison = await until_compared(other, 2)
        assert comparison["differing"] == 2
        assert isinstance(comparison["difference"], float)
        assert 0 < comparison["difference"] < 0.5
        assert (comparison["skipped"], comparison["failed"]) == (0, 0)
        assert "text" not in str(other.events), "transcripts belong to their sessions"
        await control.send(end(keep=False))
        ended = await other.until("shadow_ended")
        assert (ended["outcome"], ended["comparison"]["utterances"]) == ("rolled_back", 2)
        assert await speak(server, 1) == ["scripted"]


async def test_a_model_that_is_kept_answers_from_now_on(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.control() as control:
        await control.ask(SHADOW_SECOND, "shadow_started")
        loaded = await control.ask(end(keep=True) | {"request_id": "k"}, "model_loaded")
        assert (loaded["model_id"], loaded["request_id"]) == ("second", "k")
        assert "kept" in [event.get("outcome") for event in control.events]
        assert await speak(server, 1) == ["second"]


async def test_a_run_ends_after_its_time_and_when_another_model_is_loaded(tmp_path: Path) -> None:
    async with run_server(tmp_path, shadow_s=1.0) as server, server.control() as control:
        await control.ask(SHADOW_SECOND, "shadow_started")
        assert (await control.until("shadow_ended"))["outcome"] == "expired"
    async with run_server(tmp_path) as server, server.control() as control:
        await control.ask(SHADOW_SECOND, "shadow_started")
        await control.ask({"type": "load_model", "model_id": "far"}, "model_loaded")
        assert "replaced" in [event.get("outcome") for event in control.events]


async def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        server.control() as control,
        server.control("?role=viewer") as viewer,
    ):
        for message, code in (
            (SHADOW_SECOND | {"model_id": "scripted"}, "already_current"),
            (SHADOW_SECOND | {"model_id": "broken"}, "model_load_failed"),
            (SHADOW_SECOND | {"model_id": "?"}, "unknown_model"),
            (end(keep=True), "no_shadow"),
        ):
            assert (await control.ask(message, "error"))["code"] == code
        assert (await viewer.ask(end(keep=True), "error"))["code"] == "forbidden"
        await control.ask(SHADOW_SECOND, "shadow_started")
        assert (await control.ask(SHADOW_SECOND | {"model_id": "far"}, "error"))["code"] == "busy"
        assert (await control.ask(end(keep=True, model_id="far"), "error"))["code"] == "no_shadow"


async def test_a_second_model_that_is_too_slow_is_spared_and_slows_nobody(tmp_path: Path) -> None:
    gate = threading.Event()
    gate.set()

    def make(spec: ModelSpec) -> Engine:
        return ScriptedEngine(spec.id, gate=gate if spec.id == "second" else None)

    async with (
        run_server(tmp_path, ScriptedModels(make)) as server,
        server.control() as control,
    ):
        await control.ask(SHADOW_SECOND, "shadow_started")
        gate.clear()
        assert await speak(server, 4) == ["scripted"] * 4
        gate.set()
        comparison = await until_compared(control, 2)
        assert comparison["skipped"] == 2
