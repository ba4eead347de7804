"""The page's layout: with messages shown, on a laptop and on a phone, what matters is in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server.messages import Notice
from server.model_messages import ModelPhase, ModelProgress
from server.peer import Port
from tests.browser.steps import connect
from tests.support.fake_server import PAGE, FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CODES = ("no_speech", "slow_processing", "overloaded", "decode_failed", "odd")
PHONE = (390, 844)
LAPTOP_WIDTH = 900


async def show_messages(page: Page, server: FakeServer) -> None:
    """As many messages as the page shows at once."""
    for code in CODES:
        server.say_on(Port.CONTROL, Notice(level="warning", code=code, message="words " * 30))
    await expect(page.locator("#messages li")).to_have_count(len(CODES))


@pytest.mark.parametrize("language", ["en", "th"])
@pytest.mark.parametrize("size", [(1366, 633), (1366, 768), PHONE, (320, 640)])
async def test_the_record_button_is_in_view_whatever_is_said(
    page: Page, server: FakeServer, size: tuple[int, int], language: str
) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    await connect(page, server)
    await page.click(f"[data-language={language}]")
    await show_messages(page, server)
    server.say(*(final("คำ " * 60, utterance_id=number) for number in range(1, 9)))
    await expect(page.locator("#finals li")).to_have_count(8)
    await expect(page.locator("#record")).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]


async def test_the_newest_message_is_in_view(page: Page, server: FakeServer) -> None:
    await page.set_viewport_size({"width": 1366, "height": 633})
    await connect(page, server)
    await show_messages(page, server)
    await page.evaluate("document.getElementById('messages').scrollTop = 1000")
    server.say_on(Port.CONTROL, Notice(level="info", code="newest", message="the newest"))
    await expect(page.get_by_text("the newest")).to_be_in_viewport(ratio=1)


async def test_on_a_phone_the_cards_close_and_messages_are_a_line(
    page: Page, server: FakeServer
) -> None:
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await connect(page, server)
    await expect(page.locator("#load")).to_be_hidden()
    server.say_on(Port.CONTROL, Notice(level="warning", code="no_speech", message="?"))
    advice = page.get_by_text("Check microphone permissions")
    await expect(advice).to_be_hidden()
    await page.get_by_role("button", name="Show the whole message").click()
    await expect(advice).to_be_visible()
    await page.locator("summary").first.click()
    await page.click("#connect")
    await expect(page.locator("#load")).to_be_visible()


async def test_a_long_description_leaves_the_left_column_whole(
    page: Page, server: FakeServer
) -> None:
    server.models = [replace(model, description="words " * 100) for model in server.models]
    await page.set_viewport_size({"width": 1366, "height": 768})
    await connect(page, server)
    about = page.locator("#model-about")
    await expect(about).to_be_in_viewport(ratio=1)
    assert (await about.get_attribute("title") or "").count("words") == 100


async def test_advice_on_slow_processing_depends_on_the_model(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    server.say_on(Port.CONTROL, Notice(level="warning", code="slow_processing", message="?"))
    message = page.locator("#messages li")
    await expect(message).to_contain_text("--profile fast")
    await expect(message).not_to_contain_text("faster model")
    await page.select_option("#model", "biodatlab-faster")
    await page.click("#load")
    await expect(message).to_contain_text("choose a faster model")
    await page.click("[data-language=th]")
    await expect(message).to_contain_text("เลือกโมเดลที่เร็วกว่า")


async def test_a_port_that_is_no_control_port_is_named(
    context: BrowserContext, server: FakeServer
) -> None:
    page = await context.new_page()
    await page.add_init_script(
        "const real = setTimeout; globalThis.setTimeout = (f, ms) => real(f, Math.min(ms, 300));"
    )
    await page.goto(PAGE.as_uri())
    await page.fill("#address", server.audio_url)
    await page.click("#connect")
    error = page.locator("#messages li.error")
    await expect(error).to_contain_text(f"No control port answered at {server.audio_url}.")
    await expect(error).to_contain_text("8765 and 8766; the first is the one to give")


@pytest.mark.parametrize("language", ["en", "th"])
@pytest.mark.parametrize("width", [320, 390, 1366])
async def test_a_download_fits_the_screen(
    page: Page, server: FakeServer, width: int, language: str
) -> None:
    await page.set_viewport_size({"width": width, "height": 740})
    await connect(page, server)
    await page.click(f"[data-language={language}]")
    if width < LAPTOP_WIDTH:
        await page.click("#model-card summary")
    progress = ModelProgress(
        model_id="a-model-with-a-rather-long-name-of-its-own",
        phase=ModelPhase.DOWNLOADING,
        done_bytes=888_888_888,
        total_bytes=3_088_888_888,
        bytes_per_s=888_888.0,
        left_s=2_475.0,
    )
    server.say_on(Port.CONTROL, progress)
    await expect(page.locator("#model-figures")).to_contain_text("41:15")
    for part in ("#model-result", "#model-progress", "#model-figures", "#model-cancel"):
        box = await page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
