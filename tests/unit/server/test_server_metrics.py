"""What the metrics say of a server that is used."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running_server import RunningServer, run_server
from tests.support.speech import pcm16, utterances


async def scrape(server: RunningServer) -> dict[str, float]:
    """Sample name, with its labels' values, to value."""

    def fetch() -> str:
        with urllib.request.urlopen(f"{server.page_url}/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            return str(answer.read().decode())

    text = await asyncio.to_thread(fetch)
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.asyncio
async def test_the_page_counts_what_was_said(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        before = await scrape(server)
        assert before["thai_asr_finals_total"] == 0
        assert before["thai_asr_clients audio"] == 0
        async with server.audio("?events=all&session=ห้อง&speaker=นก") as audio:
            await audio.send(pcm16(utterances(1.0, 1.2)))
            await audio.send("{")
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            after = await scrape(server)
            page = await asyncio.to_thread(
                lambda: urllib.request.urlopen(f"{server.page_url}/metrics").read().decode()
            )
    assert after["thai_asr_finals_total"] == 2
    assert after["thai_asr_final_latency_seconds_count"] == 2
    assert after["thai_asr_decode_seconds_count final"] >= 2
    assert after["thai_asr_audio_received_seconds_total"] == pytest.approx(4.6, abs=0.1)
    assert after["thai_asr_errors_total bad_json"] == 1
    assert after["thai_asr_clients audio"] == 1
    assert after["thai_asr_sessions"] == 1
    assert after["thai_asr_connections_total audio"] == 1
    assert after["thai_asr_ready"] == 1
    assert after["thai_asr_model_info script cpu scripted"] == 1
    assert after["thai_asr_device_memory_bytes cpu total"] > 2**30
    assert after["process_resident_memory_bytes"] > 2**20
    for private in ("ห้อง", "นก", *audio.texts()):
        assert private not in page
