"""Models that are not on disk, over the control port, with scripted engines and fetches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from asr.engine import Engine, EngineError, TrialTime
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelSpec
from tests.support.running_server import (
    Client,
    ScriptedModels,
    run_server,
    scripted_app,
    serving,
)

LOAD_FAR = {"type": "load_model", "model_id": "far"}


def held() -> ScriptedModels:
    """Models of which `far` stays on its way."""
    models = ScriptedModels()
    models.go_on.clear()
    return models


async def until_notices(control: Client, count: int, words: str = "") -> list[str]:
    """What a person should know but the processor's, once it is so much and has these words."""
    while True:
        status = await control.ask({"type": "get_status"}, "server_status")
        told = [notice for notice in status["notices"] if "CPU" not in notice]
        if len(told) == count and all(words in notice for notice in told):
            return told
        await asyncio.sleep(0.01)


def phases(events: list[dict[str, Any]]) -> list[str]:
    """The phases told, each once."""
    told = [event["phase"] for event in events if event["type"] == "model_progress"]
    return list(dict.fromkeys(told))


async def test_a_model_that_is_not_on_disk_comes_and_everybody_sees_how_far(
    tmp_path: Path,
) -> None:
    async with (
        run_server(tmp_path, ScriptedModels()) as server,
        server.control() as control,
        server.control("?session=elsewhere") as other,
    ):
        await other.until("connected")
        loaded = await control.ask(LOAD_FAR | {"request_id": "m"}, "model_loaded")
        assert (loaded["model_id"], loaded["request_id"]) == ("far", "m")
        assert set(loaded["load_figures"]) == {"load_s", "warm_up_s", "memory_mb", "rtf"}
        assert loaded["load_figures"]["rtf"] == 0.002
        await other.until("model_loaded")
        for client in (control, other):
            assert phases(client.events) == ["downloading", "on_disk", "loading", "measuring"]
        [half] = [event for event in other.events if event.get("done_bytes") == 350]
        assert (half["total_bytes"], half["bytes_per_s"], half["left_s"]) == (700, 50.0, 7.0)


async def test_a_fetch_can_be_cancelled_by_anybody_who_may_load(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, held()) as server,
        server.control() as control,
        server.control() as other,
        server.control("?role=viewer") as viewer,
    ):
        await control.send(LOAD_FAR)
        await control.until("model_progress")
        listed = await other.ask({"type": "get_models"}, "available_models")
        far = next(model for model in listed["models"] if model["id"] == "far")
        assert (far["state"], far["on_disk"]) == ("fetching", False)
        cancel = {"type": "cancel_load", "model_id": "far"}
        assert (await viewer.ask(cancel, "error"))["code"] == "forbidden"
        assert (await other.ask(cancel, "load_cancelled"))["model_id"] == "far"
        assert (await control.until("error"))["code"] == "cancelled"
        await other.until("model_progress", lambda event: event["phase"] == "cancelled")
        assert (await other.ask(cancel, "error"))["code"] == "not_fetching"
        assert (await other.ask(cancel | {"model_id": "?"}, "error"))["code"] == "unknown_model"


async def test_a_fetch_that_fails_says_why(tmp_path: Path) -> None:
    models = ScriptedModels()
    models.fetch_error = EngineError("gated_model", "accept the terms at its page")
    async with run_server(tmp_path, models) as server, server.control() as control:
        error = await control.ask(LOAD_FAR, "error")
        assert error["code"] == "gated_model"
        assert error["message"] == "Failed to load model far: accept the terms at its page"
        failed = control.events[-2]
        assert (failed["phase"], failed["code"]) == ("failed", "gated_model")
        models.fetch_error = None
        await control.ask(LOAD_FAR, "model_loaded")
        assert models.fetches == 2


async def test_a_client_that_leaves_does_not_stop_what_it_asked_for(tmp_path: Path) -> None:
    models = held()
    async with run_server(tmp_path, models) as server:
        async with server.control() as control:
            await control.send(LOAD_FAR)
            await control.until("model_progress")
        async with server.control() as other:
            await other.until("connected")
            models.go_on.set()
            assert (await other.until("model_loaded"))["model_id"] == "far"


async def test_a_server_that_ends_during_a_fetch_ends_soon(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        async with run_server(tmp_path, held()) as server, server.control() as control:
            await control.send(LOAD_FAR)
            await control.until("model_progress")


async def test_a_start_without_the_wanted_model_serves_at_once_and_switches_later(
    tmp_path: Path,
) -> None:
    models = held()
    async with run_server(tmp_path, models, model="far") as server, server.control() as control:
        assert (await control.until("connected"))["current_model"] == "scripted"
        [notice] = await until_notices(control, 1)
        assert notice.startswith("scripted answers, and its Thai is poor, until far is here")
        models.go_on.set()
        await control.until("model_loaded", lambda event: event["model_id"] == "far")
        assert await until_notices(control, 0) == []
        async with server.control() as late:
            assert (await late.until("connected"))["current_model"] == "far"


async def test_offline_nothing_is_fetched_at_the_start(tmp_path: Path) -> None:
    models = ScriptedModels()
    async with (
        run_server(tmp_path, models, model="far", offline=True) as server,
        server.control() as control,
    ):
        [notice] = await until_notices(control, 1)
        assert notice.endswith("far is not on this machine, and --offline says not to fetch it")
        assert models.fetches == 0


async def test_a_wanted_model_that_cannot_come_is_told_and_the_server_goes_on(
    tmp_path: Path,
) -> None:
    models = held()
    models.fetch_error = EngineError("disk_full", "no room on the disk")
    async with run_server(tmp_path, models, model="far") as server, server.control() as control:
        models.go_on.set()
        assert (await control.until("error"))["code"] == "disk_full"
        await until_notices(control, 1, "Failed to load model far: no room on the disk")
        assert (await control.ask({"type": "get_status"}, "server_status"))["ready"]


async def test_without_a_network_the_wanted_model_is_tried_again(tmp_path: Path) -> None:
    models = ScriptedModels()
    models.fetch_error = EngineError("no_network", "the hub cannot be reached")
    async with (
        run_server(tmp_path, models, model="far", fetch_retry_s=0.05) as server,
        server.control() as control,
    ):
        await until_notices(control, 1, "tried again every")
        while models.fetches < 3:  # noqa: ASYNC110 - the source of models has no event
            await asyncio.sleep(0.01)
        models.fetch_error = None
        await control.until("model_loaded", lambda event: event["model_id"] == "far")
        assert await until_notices(control, 0) == []
        assert sum(event["type"] == "error" for event in control.events) <= 1, "told once"


async def test_a_wanted_model_too_slow_for_this_machine_waits_to_be_asked_for(
    tmp_path: Path,
) -> None:
    def make(spec: ModelSpec) -> Engine:
        seconds = 9.0 if spec.id == "far" else 0.01
        return ScriptedEngine(spec.id, trial=lambda _: TrialTime(seconds, seconds))

    models = ScriptedModels(make)
    async with run_server(tmp_path, models, model="far") as server, server.control() as control:
        await until_notices(control, 1, "far is too slow for this machine")
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "scripted"
        await control.ask(LOAD_FAR, "model_loaded")
        assert models.fetches == 1
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "far"


async def test_somebody_who_chooses_another_model_meanwhile_is_not_overruled(
    tmp_path: Path,
) -> None:
    models = held()
    async with run_server(tmp_path, models, model="far") as server, server.control() as control:
        await control.ask({"type": "load_model", "model_id": "second"}, "model_loaded")
        models.go_on.set()
        await control.until("model_progress", lambda event: event["phase"] == "on_disk")
        assert await until_notices(control, 0) == []
        status = await control.ask({"type": "get_status"}, "server_status")
        assert status["current_model"] == "second"


def slow_second(spec: ModelSpec) -> Engine:
    seconds = 9.0 if spec.id == "second" else 0.01
    return ScriptedEngine(spec.id, trial=lambda _: TrialTime(seconds, seconds))


async def test_a_model_that_nobody_named_does_not_begin_where_it_is_too_slow(
    tmp_path: Path,
) -> None:
    models = ScriptedModels(slow_second)
    async with run_server(tmp_path, models, model="second") as server, server.control() as control:
        assert (await control.until("connected"))["current_model"] == "scripted"
        await until_notices(control, 1, "second is too slow for this machine")
        await control.ask({"type": "load_model", "model_id": "second"}, "model_loaded")


async def test_a_slow_model_that_the_operator_named_answers(tmp_path: Path) -> None:
    app = scripted_app(tmp_path, ScriptedModels(slow_second), {"model": "second"}, model_named=True)
    async with serving(app) as server, server.control() as control:
        assert (await control.until("connected"))["current_model"] == "second"
        await until_notices(control, 1, "text comes later and later")
