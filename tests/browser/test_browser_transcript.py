"""The transcript: what a final shows and what a reader does with it, and how partials move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from tests.browser.steps import connect
from tests.support.fake_server import FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PAINTED = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
})"""
AT_END = """() => {
  const box = document.getElementById('scroll');
  return box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 2;
}"""
SCROLL_UP = """(box) => new Promise((done) => {
  box.addEventListener('scroll', done, { once: true });
  box.scrollTop = 0;
}).then(() => 0)"""
TEXTS = ("สวัสดีครับ", "วันนี้อากาศดี", "ลาก่อนนะคะ")


async def say_three(page: Page, server: FakeServer) -> None:
    """Three finals, the second of them by Nok."""
    await connect(page, server)
    first, second, third = (final(text, utterance_id=n) for n, text in enumerate(TEXTS, start=1))
    server.say(first, replace(second, speaker="Nok"), third)
    await expect(page.locator("#finals li")).to_have_count(3)


async def focused(page: Page) -> str | None:
    """The label of the element that has the focus."""
    label: str | None = await page.evaluate("document.activeElement.getAttribute('aria-label')")
    return label


async def test_a_final_shows_when_how_long_how_fast_by_what_and_how_sure(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    server.say(final("สวัสดีครับ"))
    meta = page.locator("#finals .meta")
    for words in ("2.5 s of speech", "processed in 0.80 s", "3.1× real time", "90 % sure"):
        await expect(meta).to_contain_text(words)
    await expect(meta.locator("time")).to_have_attribute("datetime", "2025-09-03T10:30:02.500Z")
    assert await meta.locator("time").inner_text() == await page.evaluate(
        "new Date('2025-09-03T10:30:02.500Z').toLocaleTimeString('en')"
    )
    await expect(meta.locator(".model")).to_have_text("whisper-base")
    await expect(meta.locator(".model")).to_have_attribute("title", "openai/whisper-base")


async def test_enter_keeps_an_edit_and_escape_does_not(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    edit = page.get_by_role("button", name="Edit: สวัสดี")
    await edit.press("Enter")
    area = page.get_by_label("Text of this line")
    await expect(area).to_be_focused()
    await area.fill("ไม่เอา")
    await area.press("Escape")
    await expect(page.locator("#finals .said").first).to_have_text(TEXTS[0])
    await expect(edit).to_be_focused()
    await edit.press("Enter")
    await area.fill("สวัสดี\nทุกคน  ")
    await area.press("Enter")
    await expect(page.locator("#finals .said").first).to_have_text("สวัสดี ทุกคน")
    await expect(page.locator("#finals .meta").first).to_contain_text("edited")
    assert await focused(page) == "Edit: สวัสดี ทุกคน"


async def test_an_emptied_line_keeps_its_text(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    await page.get_by_role("button", name="Edit: สวัสดี").press("Enter")
    await page.get_by_label("Text of this line").fill("  ")
    await page.keyboard.press("Enter")
    await expect(page.locator("#finals .said").first).to_have_text(TEXTS[0])


async def test_a_click_elsewhere_keeps_the_edit_and_does_what_was_clicked(
    page: Page, server: FakeServer
) -> None:
    await say_three(page, server)
    await page.get_by_role("button", name="Edit: สวัสดี").click()
    await page.get_by_label("Text of this line").fill("แก้แล้ว")
    await page.click("#search")
    await expect(page.locator("#search")).to_be_focused()
    await expect(page.locator("#finals .said").first).to_have_text("แก้แล้ว")
    await page.get_by_role("button", name="Edit: แก้แล้ว").click()
    await page.get_by_label("Text of this line").fill("อีกครั้ง")
    await page.get_by_role("button", name="Delete: แก้แล้ว").click()
    await expect(page.locator("#finals li")).to_have_count(2)


async def test_a_line_is_copied(context: BrowserContext, page: Page, server: FakeServer) -> None:
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await say_three(page, server)
    copy = page.get_by_role("button", name="Copy: วันนี้")
    await copy.press("Enter")
    await expect(copy).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == TEXTS[1]
    await expect(copy).to_have_text("Copy")


async def test_a_deleted_line_comes_back_where_it_was(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    said = page.locator("#finals .said")
    await page.get_by_role("button", name="Delete: วันนี้").press("Enter")
    await expect(said).to_have_text([TEXTS[0], TEXTS[2]])
    assert await focused(page) == f"Delete: {TEXTS[2]}"
    server.say(final("ใหม่", utterance_id=4))
    await page.get_by_role("button", name="Undo").press("Enter")
    await expect(said).to_have_text([*TEXTS, "ใหม่"])
    assert await focused(page) == f"Delete: {TEXTS[1]}"
    await expect(page.locator("#messages li")).to_have_count(0)


async def test_deleting_every_line_leaves_the_focus_in_the_transcript(
    page: Page, server: FakeServer
) -> None:
    await say_three(page, server)
    await page.get_by_role("button", name="Delete: ลาก่อน").press("Enter")
    assert await focused(page) == f"Delete: {TEXTS[1]}"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator("#finals li")).to_have_count(0)
    await expect(page.locator("#scroll")).to_be_focused()
    await expect(page.locator("#empty")).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator("#finals .said")).to_have_text(TEXTS[0])
    await expect(page.locator("#empty")).to_be_hidden()


async def test_search_finds_thai_and_speakers_and_counts(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    shown = page.locator("#finals li:visible .said")
    await page.fill("#search", "อากาศ")
    await expect(shown).to_have_text([TEXTS[1]])
    await expect(page.locator("#search-count")).to_have_text("1 found")
    await page.fill("#search", " nOK")
    await expect(shown).to_have_text([TEXTS[1]])
    server.say(replace(final("อะไรนะ", utterance_id=4), speaker="Nok"))
    await expect(page.locator("#search-count")).to_have_text("2 found")
    server.say(final("ไม่ใช่", utterance_id=5))
    await page.fill("#search", ".*")
    await expect(shown).to_have_count(0)
    await expect(page.locator("#search-count")).to_have_text("0 found")
    await page.fill("#search", "")
    await expect(shown).to_have_count(5)
    await expect(page.locator("#search-count")).to_have_text("")


async def test_an_edited_line_does_not_vanish_from_a_search(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    await page.fill("#search", "อากาศ")
    await page.get_by_role("button", name="Edit: วันนี้").press("Enter")
    await page.get_by_label("Text of this line").fill("ฝนตก")
    await page.keyboard.press("Enter")
    assert await focused(page) == "Edit: ฝนตก"
    await expect(page.locator("#finals li:visible")).to_have_count(1)


async def test_clear_asks_first(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    page.once("dialog", lambda dialog: dialog.dismiss())
    await page.click("#clear")
    await expect(page.locator("#finals li")).to_have_count(3)
    await page.get_by_role("button", name="Delete: ลาก่อน").press("Enter")
    page.once("dialog", lambda dialog: dialog.accept())
    await page.click("#clear")
    await expect(page.locator("#finals li")).to_have_count(0)
    await expect(page.locator("#empty")).to_be_visible()
    await expect(page.get_by_role("button", name="Undo")).to_have_count(0)


async def test_the_stable_part_is_solid_and_the_rest_faint(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say(final("แล้ว", utterance_id=1), partial("สวัสดีครับ", "สวัสดี", utterance_id=2))
    color = "(element) => getComputedStyle(element).color"
    solid = await page.locator("#finals .said").evaluate(color)
    assert await page.locator(".partial .stable").evaluate(color) == solid
    assert await page.locator(".partial .rest").evaluate(color) != solid
    server.say(partial("สวัสดีครับ", "ไม่ใช่", utterance_id=2))  # not a beginning of the text
    await expect(page.locator(".partial .stable")).to_have_text("")
    await expect(page.locator(".partial .rest")).to_have_text("สวัสดีครับ")


async def test_a_shorter_hypothesis_moves_nothing(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say(*(final("คำ " * 40, utterance_id=number) for number in range(1, 6)))
    server.say(partial("ยาวมาก " * 60, utterance_id=7), partial("อีกคน", utterance_id=8))
    below = page.locator(".partial").nth(1)
    await expect(below).to_have_count(1)
    places = "() => [...document.querySelectorAll('#finals li:last-child, .partial')]" + (
        ".map((line) => line.getBoundingClientRect().top)"
    )
    await page.wait_for_function(AT_END)
    await page.evaluate(PAINTED)
    before = await page.evaluate(places)
    server.say(partial("สั้น", utterance_id=7))
    await expect(page.locator(".partial .said").first).to_have_text("สั้น")
    await page.evaluate(PAINTED)
    assert await page.evaluate(places) == before


async def test_two_utterances_of_one_stream_are_live_at_once(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    server.say(partial("หนึ่ง", utterance_id=1), partial("สอง", utterance_id=2))
    said = page.locator(".partial .said")
    await expect(said).to_have_text(["หนึ่ง", "สอง"])
    server.say(partial("หนึ่งแล้ว", utterance_id=1))
    await expect(said).to_have_text(["หนึ่งแล้ว", "สอง"])
    server.say(final("หนึ่งจบ", utterance_id=1))
    await expect(said).to_have_text(["สอง"])
    server.say(partial("หนึ่งช้าไป", utterance_id=1), partial("สองต่อ", utterance_id=2))
    await expect(said).to_have_text(["สองต่อ"])
    await expect(page.locator("#finals .said")).to_have_text(["หนึ่งจบ"])


async def test_who_scrolls_up_to_read_is_left_there(page: Page, server: FakeServer) -> None:
    await page.set_viewport_size({"width": 1366, "height": 768})
    await connect(page, server)
    server.say(*(final("คำ " * 80, utterance_id=number) for number in range(1, 20)))
    await expect(page.locator("#finals li").last).to_be_in_viewport()
    await page.wait_for_function(AT_END)
    await page.evaluate(PAINTED)
    await page.locator("#scroll").evaluate(SCROLL_UP)
    server.say(final("ใหม่", utterance_id=30))
    await expect(page.locator("#finals li")).to_have_count(20)
    await page.evaluate(PAINTED)
    assert await page.locator("#scroll").evaluate("(box) => box.scrollTop") == 0
