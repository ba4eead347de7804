"""A Chromium with a fake microphone, and the page in it, watched for console errors."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.browser.steps import watch
from tests.support.audio_signals import pcm16, synthetic_speech, wav_bytes
from tests.support.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS = 10_000


def find_chromium() -> str:
    """A Chromium on this machine (CHROMIUM names one), or a skip."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(CHROMIUM_NAMES)} found (set CHROMIUM)")
    return found


@pytest.fixture(scope="session")
def microphone_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone plays, over and over."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    path.write_bytes(wav_bytes(pcm16(synthetic_speech(3.0))))
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(microphone_file: Path) -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with playwright.async_playwright() as driver:
        chromium = await driver.chromium.launch(
            executable_path=find_chromium(),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone_file}"],
        )
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile that speaks English."""
    fresh = await browser.new_context(locale="en-US")
    fresh.set_default_timeout(WAIT_MS)
    yield fresh
    await fresh.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab. Anything that goes to the console as error or warning fails the test."""
    tab = await context.new_page()
    complaints = watch(tab)
    yield tab
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[FakeServer]:
    """Both ports and the page, without recognition."""
    async with FakeServer() as fake:
        yield fake
