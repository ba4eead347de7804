"""Autosave: only if the user wants it, then all of it, and gone when they want it gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.steps import connect, start_recording, stop_recording, watch
from tests.support.fake_server import FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TEXTS = ("สวัสดีครับ", "วันนี้อากาศดี", "ลาก่อนนะคะ")
STORED = """async () => {
  if (!(await indexedDB.databases()).some(({ name }) => name === 'thai-asr')) return null;
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const database = await done(indexedDB.open('thai-asr'));
  const finals = await done(database.transaction('finals').objectStore('finals').getAll());
  database.close();
  return finals.map(({ text }) => text);
}"""


async def say_three(page: Page, server: FakeServer) -> None:
    """Three finals on a connected page."""
    await connect(page, server)
    server.say(*(final(text, utterance_id=n) for n, text in enumerate(TEXTS, start=1)))
    await expect(page.locator("#finals li")).to_have_count(3)


async def until_stored(page: Page, texts: list[str]) -> None:
    """Wait until just these texts are in the store."""
    for _ in range(50):
        if await page.evaluate(STORED) == texts:
            return
        await page.wait_for_timeout(20)
    assert await page.evaluate(STORED) == texts


async def close(page: Page) -> list[str]:
    """Close the tab as a user does; what it asked."""
    asked: list[str] = []

    async def on_dialog(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", on_dialog)
    async with page.expect_event("close"):
        await page.close(run_before_unload=True)
    return asked


async def test_nothing_is_stored_unless_wanted(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    await expect(page.locator("#autosave")).not_to_be_checked()
    await page.get_by_role("button", name="Delete: ลาก่อน").press("Enter")
    assert await page.evaluate(STORED) in (None, [])
    page.once("dialog", lambda dialog: dialog.accept())
    await page.reload()
    await expect(page.locator("#finals li")).to_have_count(0)
    await expect(page.locator("#autosave")).not_to_be_checked()


async def test_a_reload_shows_everything_again(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    await page.check("#autosave")
    await page.get_by_role("button", name="Edit: สวัสดี").press("Enter")
    await page.get_by_label("Text of this line").fill("สวัสดีทุกคน")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Delete: วันนี้").press("Enter")
    server.say(final("ต่อมา", utterance_id=4))
    left = ["สวัสดีทุกคน", TEXTS[2], "ต่อมา"]
    await until_stored(page, left)
    await page.reload()
    await expect(page.locator("#finals .said")).to_have_text(left)
    await expect(page.locator("#autosave")).to_be_checked()
    meta = page.locator("#finals .meta").first
    for words in ("edited", "2.5 s of speech", "3.1× real time", "90 % sure", "whisper-base"):
        await expect(meta).to_contain_text(words)
    await connect(page, server)
    await start_recording(page, server, frames=1)
    server.say(final("หลังโหลดใหม่", utterance_id=5))
    await expect(page.locator("#finals .said")).to_have_text([*left, "หลังโหลดใหม่"])
    await stop_recording(page)


async def test_an_undone_deletion_is_stored_again(page: Page, server: FakeServer) -> None:
    await say_three(page, server)
    await page.check("#autosave")
    await until_stored(page, list(TEXTS))
    await page.get_by_role("button", name="Delete: วันนี้").press("Enter")
    await until_stored(page, [TEXTS[0], TEXTS[2]])
    await page.get_by_role("button", name="Undo").press("Enter")
    await until_stored(page, list(TEXTS))


@pytest.mark.parametrize("how", ["switched off", "cleared"])
async def test_the_store_is_emptied(page: Page, server: FakeServer, how: str) -> None:
    await say_three(page, server)
    await page.check("#autosave")
    await until_stored(page, list(TEXTS))
    if how == "cleared":
        page.once("dialog", lambda dialog: dialog.accept())
        await page.click("#clear")
    else:
        await page.uncheck("#autosave")
    await until_stored(page, [])
    await expect(page.locator("#finals li")).to_have_count(0 if how == "cleared" else 3)


@pytest.mark.parametrize(
    "without", ["Object.defineProperty(window, 'indexedDB', { value: undefined })", "refuse"]
)
async def test_a_browser_that_keeps_nothing_says_so(
    page: Page, server: FakeServer, without: str
) -> None:
    if without == "refuse":
        without = "IDBFactory.prototype.open = () => { throw new DOMException(); }"
    await page.add_init_script(without)
    await connect(page, server)
    await page.click("#autosave")
    message = page.locator("#messages li.error")
    await expect(message).to_contain_text("This browser keeps nothing")
    await expect(message).to_contain_text("Export before you leave")
    await expect(page.locator("#autosave")).not_to_be_checked()


async def test_what_cannot_be_restored_is_told_and_not_relied_on(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(
        "localStorage.setItem('thai-asr-autosave', '1');"
        "Object.defineProperty(window, 'indexedDB', { value: undefined })"
    )
    await page.goto(server.page_url)
    await expect(page.locator("#messages li.error")).to_contain_text("This browser keeps nothing")
    await expect(page.locator("#autosave")).not_to_be_checked()
    await say_three(page, server)
    assert await close(page) == ["beforeunload"]


CASES: list[tuple[str, list[str]]] = [
    ("nothing said", []),
    ("said", ["beforeunload"]),
    ("exported", []),
    ("edited since", ["beforeunload"]),
    ("kept", []),
    ("restored, then not kept", ["beforeunload"]),
    ("recording", ["beforeunload"]),
]


@pytest.mark.parametrize(("case", "asks"), CASES, ids=[case for case, _ in CASES])
async def test_closing_asks_only_when_something_would_be_lost(
    context: BrowserContext, server: FakeServer, case: str, asks: list[str]
) -> None:
    page: Any = await context.new_page()
    complaints = watch(page)
    if case in ("nothing said", "recording"):
        await connect(page, server)
    else:
        await say_three(page, server)
    await page.click("#transcript-heading")  # browsers ask only on a page that was used
    if case == "recording":
        await start_recording(page, server, frames=1)
    if case in ("exported", "edited since"):
        async with page.expect_download():
            await page.click("[data-export=txt]")
    if case == "edited since":
        await page.get_by_role("button", name="Edit: สวัสดี").press("Enter")
        await page.get_by_label("Text of this line").fill("แก้")
        await page.keyboard.press("Enter")
    if case in ("kept", "restored, then not kept"):
        await page.check("#autosave")
        await until_stored(page, list(TEXTS))
    if case == "restored, then not kept":
        await page.reload()
        await expect(page.locator("#finals li")).to_have_count(3)
        await page.uncheck("#autosave")
    assert await close(page) == asks
    assert complaints == []
