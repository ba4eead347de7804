"""Windows that only read along, and what a first-time reader is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.steps import connect
from tests.support.fake_server import FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

POOR = "whisper-base answers, and its Thai is poor: x is not on this machine yet"


@pytest.mark.parametrize("query", ["?role=viewer&connect=1", "?captions=1"])
async def test_a_window_that_reads_along_neither_keeps_nor_deletes(
    page: Page, context: BrowserContext, server: FakeServer, query: str
) -> None:
    await connect(page, server)
    await page.check("#autosave")
    reader = await context.new_page()
    await reader.goto(server.page_url + query)
    await reader.locator("#link-state.on").wait_for(state="attached")
    server.say(final("สวัสดีครับ"))
    await expect(page.locator("#finals li")).to_have_count(1)
    await expect(reader.locator("#finals li")).to_have_count(1)
    await expect(reader.locator("#autosave")).to_be_hidden()
    await reader.close()
    await page.reload()
    await expect(page.locator("#finals .said")).to_have_text(["สวัสดีครับ"])


async def test_captions_can_be_declined(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url + "?captions=0")
    await expect(page.locator("#captions")).to_be_hidden()
    await expect(page.locator("#connect")).to_have_text("Connect")


async def test_captions_do_not_hide_why_they_cannot_connect(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url + "?captions=1&session=no/name")
    await expect(page.locator("#messages")).to_contain_text("This name cannot be used")


async def test_the_poor_model_is_told_in_the_reader_s_language(
    page: Page, server: FakeServer
) -> None:
    server.notices = [POOR]
    await connect(page, server)
    await expect(page.locator("#messages")).to_contain_text("its Thai is poor")
    await page.click("[data-language=th]")
    await expect(page.locator("#messages")).to_contain_text("ใช้โมเดลเล็กอยู่")
