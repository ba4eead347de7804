"""Who may read the metrics, and what their page says of a server that is used."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from server.http import may_scrape
from tests.support.running_server import run_server
from tests.support.scraping import samples
from tests.support.speech import pcm16, utterances


@pytest.mark.parametrize(
    ("whom", "remote", "headers", "may"),
    [
        ("local", "127.0.0.1", {}, True),
        ("local", "::1", {}, True),
        ("local", "10.1.2.3", {}, False),
        ("local", "", {}, False),
        ("local", "127.0.0.1", {"x-forwarded-for": "10.1.2.3"}, False),
        ("local", "127.0.0.1", {"forwarded": "for=10.1.2.3"}, False),
        ("all", "10.1.2.3", {"x-forwarded-for": "10.1.2.4"}, True),
        ("off", "127.0.0.1", {}, False),
    ],
)
def test_who_may_scrape(whom: str, remote: str, headers: dict[str, str], may: bool) -> None:
    assert may_scrape(whom, remote, headers) is may


@pytest.mark.asyncio
async def test_the_page_counts_what_was_said(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        before = await samples(server)
        assert before["thai_asr_finals_total"] == 0
        assert before["thai_asr_clients audio"] == 0
        async with server.audio("?events=all&session=ห้อง&speaker=นก") as audio:
            await audio.send(pcm16(utterances(1.0, 1.2)))
            await audio.send("{")
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            after = await samples(server)
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


@pytest.mark.asyncio
async def test_the_metrics_can_be_turned_off(tmp_path: Path) -> None:
    async with run_server(tmp_path, metrics="off") as server:
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await samples(server)
