"""Two pages in one session of a real server with scripted models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.steps import watch
from tests.support.running_server import run_server

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def recording_page(context: BrowserContext, url: str, speaker: str) -> Page:
    """A page that records, once its first words came back."""
    page = await context.new_page()
    await page.goto(f"{url}/?session=room&speaker={speaker}")
    await page.click("#connect")
    await page.locator("#link-state.on").wait_for()
    await page.click("#record")
    await page.locator("#partials .speaker, #finals .speaker", has_text=speaker).first.wait_for()
    return page


async def test_one_speaker_stops_and_the_other_goes_on(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with run_server(tmp_path) as server:
        nok = await recording_page(context, server.page_url, "Nok")
        dao = await recording_page(context, server.page_url, "Dao")
        complaints = watch(nok) + watch(dao)
        await expect(nok.locator(".speaker", has_text="Dao").first).to_be_visible()
        await nok.click("#record")
        await expect(nok.locator("#recording-state")).to_have_text("Ready to record")
        words = dao.locator("#partials .said, #finals .said")
        before = await words.all_text_contents()
        await expect(words).not_to_have_text(before)
        await expect(dao.locator("#record")).to_have_text("Stop Recording")
        await dao.click("#record")
        await expect(dao.locator("#recording-state")).to_have_text("Ready to record")
        await expect(nok.locator("#facts")).to_contain_text("stopped")
        assert await dao.locator("#messages li.error").count() == 0
    assert complaints == []
