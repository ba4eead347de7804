"""The page with the real server, the real Whisper base and human Thai speech at the microphone."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.dataset import Clip, load_clips
from benchmarks.scoring import cer, corpus_cer
from server.app import App
from server.settings import Settings
from tests.browser.conftest import FLAGS, find_chromium
from tests.browser.steps import watch
from tests.support.running_server import RunningServer, serving

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
expect = playwright.expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.asyncio(loop_scope="session"),
]

CLIPS = 4
PAUSE_S = 1.2
CER_CEILING = 0.45
"""Of a few clips; the offline decode of all clips has 0.28."""
HEARD_CER = 0.6
"""A final with fewer errors is of this clip and of no other."""
SPOKEN_LIMIT_MS = 60_000


@pytest.fixture(scope="module")
def clips(thai_eval_dir: Path) -> list[Clip]:
    """What is said at the microphone."""
    return load_clips(thai_eval_dir / "dev.jsonl")[:CLIPS]


@pytest.fixture(scope="module")
def speech_file(clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips with pauses, and silence to stop in."""
    pause = np.zeros(round(PAUSE_S * 16_000), np.int16)
    samples = np.concatenate([part for clip in clips for part in (clip.samples(), pause)])
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(np.concatenate([samples, np.zeros(30 * 16_000, np.int16)]).tobytes())
    return path


@asynccontextmanager
async def real_server(control_port: int = 0, audio_port: int = 0) -> AsyncIterator[RunningServer]:
    """Whisper base on these ports."""
    changes = {
        "control_port": control_port,
        "audio_port": audio_port,
        "admit_latency_s": 0.0,  # a busy machine is no failure
        "model": "whisper-base",
        "profile": "fast",
    }
    async with serving(App(Settings().changed(changes))) as server:
        yield server


@asynccontextmanager
async def page_that_hears(speech_file: Path) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page in a Chromium whose microphone plays the file once, and its console's complaints."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=find_chromium(),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={speech_file}%noloop"],
        )
        page = await browser.new_page(locale="en-US")
        page.set_default_timeout(SPOKEN_LIMIT_MS)
        yield page, watch(page)
        await browser.close()


async def record(page: Page, server: RunningServer) -> None:
    await page.goto(server.page_url)
    await page.click("#connect")
    await page.locator("#link-state.on").wait_for()
    await page.click("#record")


async def finals(page: Page) -> str:
    return " ".join(await page.locator("#finals .said").all_text_contents())


async def until_heard(page: Page, clip: Clip) -> None:
    """Wait for a final that is mostly this clip."""
    async with asyncio.timeout(SPOKEN_LIMIT_MS / 1000):
        while True:
            said = await page.locator("#finals .said").all_text_contents()
            if any(corpus_cer([cer(clip.text, text)]) < HEARD_CER for text in said):
                return
            await asyncio.sleep(0.2)


def error_rate(clips: list[Clip], text: str) -> float:
    return corpus_cer([cer(" ".join(clip.text for clip in clips), text)])


async def stop(page: Page) -> None:
    await page.click("#record")
    await expect(page.locator("#recording-state")).to_have_text(
        "Ready to record", timeout=SPOKEN_LIMIT_MS
    )


async def test_spoken_thai_appears_as_text(clips: list[Clip], speech_file: Path) -> None:
    async with real_server() as server, page_that_hears(speech_file) as (page, complaints):
        await record(page, server)
        await page.locator("#partials .said").first.wait_for()
        assert await page.locator("#finals li").count() == 0, "a partial comes before the final"
        await page.locator("#finals li").nth(CLIPS - 1).wait_for()
        await stop(page)
        text = await finals(page)
    assert error_rate(clips, text) < CER_CEILING, text
    assert complaints == []


async def test_a_restart_of_the_server_loses_no_word(clips: list[Clip], speech_file: Path) -> None:
    async with page_that_hears(speech_file) as (page, complaints):
        async with real_server() as server:
            ports = (server.app.ports.control, server.app.ports.audio)
            await record(page, server)
            await page.locator("#finals li").first.wait_for()
            await page.locator("#partials .said").first.wait_for()
            before = await finals(page)
        await asyncio.sleep(1)
        async with real_server(*ports):
            await page.locator("#link-state.on").wait_for()
            await until_heard(page, clips[-1])  # what was cut by the restart may be two finals
            await stop(page)
            text = await finals(page)
    assert text.startswith(before)
    assert error_rate(clips, text) < CER_CEILING, text
    assert [told for told in complaints if "WebSocket connection" not in told] == []


async def test_a_file_becomes_text(clips: list[Clip], speech_file: Path) -> None:
    async with real_server() as server, page_that_hears(speech_file) as (page, complaints):
        await page.goto(server.page_url)
        await page.set_input_files("#file", [str(clips[0].path), str(clips[1].path)])
        await page.locator("#finals li").nth(1).wait_for()
        await expect(page.locator("#recording-state")).to_have_text("Ready to record")
        text = await finals(page)
    assert error_rate(clips[:2], text) < CER_CEILING, text
    assert complaints == []
