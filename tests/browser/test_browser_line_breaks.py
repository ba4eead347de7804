"""Where lines of Thai text break on the page: between words, never before a vowel or tone mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.rendered_lines import layout
from tests.browser.steps import connect
from tests.support.fake_server import FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NEWS = (
    "เมื่อวานนี้กระทรวงพาณิชย์ได้แถลงข่าวเกี่ยวกับสถานการณ์ราคาสินค้าต่าง ๆ ในกรุงเทพฯ และจังหวัดใกล้เคียง "
    "(รวมถึงนนทบุรี) ว่าเพิ่มขึ้นเรื่อย ๆ โดยเฉพาะน้ำมันเชื้อเพลิงกับไข่ไก่ที่แพงขึ้นมากๆ ภายในสัปดาห์ที่ 3 "
    "ของเดือนพฤศจิกายน 2568 ผู้เชี่ยวชาญจากมหาวิทยาลัยธรรมศาสตร์กล่าวว่า “ไม่น่าแปลกใจเลย” เพราะ "
    "Facebook และ TikTok ทำให้พฤติกรรมผู้บริโภคเปลี่ยนไปอย่างรวดเร็ว ทั้งนี้ควรเตรียมตัวเตรียมใจไว้ล่วงหน้าฯลฯ "
    "แล้วก็ฮ่าาาา เป๊ะ ๆ เลยนะคะ"
)
WIDTHS = range(320, 880, 20)
UNBROKEN = ("a" * 400, "." * 400, "(" * 400, "ก" + "า" * 400, "กา" * 200, "เ" * 400, "ๆ" * 400)


@pytest.mark.parametrize("live", [False, True], ids=["final", "partial"])
async def test_lines_break_between_words(page: Page, server: FakeServer, *, live: bool) -> None:
    await connect(page, server)
    server.say(partial(NEWS, NEWS[:131]) if live else final(NEWS))
    said = page.locator(".partial .said" if live else "#finals .said")
    await expect(said).to_have_text(NEWS)
    breaks = set()
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        shown = await layout(said)
        assert shown.text == NEWS
        assert shown.faults == []
        assert shown.within_words == []
        breaks.update(shown.lines[1:])
    assert len(breaks) > 30, "the widths tried too few breaks"


@pytest.mark.parametrize("text", UNBROKEN, ids=[text[:3] for text in UNBROKEN])
async def test_what_has_no_words_stays_on_the_screen(
    page: Page, server: FakeServer, text: str
) -> None:
    await page.set_viewport_size({"width": 320, "height": 740})
    await connect(page, server)
    server.say(final(text), partial(text, text[:50], utterance_id=2))
    await expect(page.locator(".said")).to_have_count(2)
    wider = "(lines) => lines.filter((line) => line.scrollWidth > line.clientWidth).length"
    assert await page.locator(".said").evaluate_all(wider) == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
