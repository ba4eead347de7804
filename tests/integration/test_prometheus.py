"""A real Prometheus asks a real server, and answers what the dashboard and the alerts ask it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.prometheus import POLL_S, Prometheus, alerts, dashboard_queries, prometheus
from tests.support.running_server import run_server
from tests.support.speech import pcm16, utterances

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]


async def until(asked: Prometheus, query: str, expected: dict[str, float]) -> None:
    async with asyncio.timeout(30):
        while await asked.values(query) != expected:  # noqa: ASYNC110 - see POLL_S
            await asyncio.sleep(POLL_S)


async def test_what_was_said_is_in_prometheus(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        prometheus(tmp_path, server.app.ports.control) as asked,
        server.audio() as audio,
    ):
        await audio.send(pcm16(utterances(1.0, 1.2)))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        await until(asked, "thai_asr_finals_total", {"": 2})
        await until(asked, "thai_asr_clients", {"audio": 1, "control": 0})
        await until(asked, "thai_asr_model_info", {"script cpu scripted": 1})
        assert (await asked.values("thai_asr_final_latency_seconds_count")) == {"": 2}
        assert (await asked.values("thai_asr_ready")) == {"": 1}
        for query in dashboard_queries():
            await asked.values(query)
        quantile = next(query for query in dashboard_queries() if "0.95" in query)
        async with asyncio.timeout(30):
            while not (await asked.values(quantile)).get("", -1.0) > 0:  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)


async def test_the_alerts_are_loaded_and_one_goes_off_for_audio_logging(tmp_path: Path) -> None:
    folder = str(tmp_path / "audio")
    async with (
        run_server(tmp_path, audio_log=True, audio_log_dir=folder) as server,
        prometheus(tmp_path, server.app.ports.control) as asked,
    ):
        async with asyncio.timeout(30):
            firing: set[str] = set()
            while not firing:
                found = await asked.ask("alerts")
                firing = {
                    alert["labels"]["alertname"]
                    for alert in found["alerts"]
                    if alert["state"] == "firing"
                }
                await asyncio.sleep(POLL_S)
        assert firing == {"ThaiAsrAudioLogging"}
        rules = (await asked.ask("rules"))["groups"][0]["rules"]
        assert {rule["name"] for rule in rules} == set(alerts())
        assert {rule["health"] for rule in rules} == {"ok"}
