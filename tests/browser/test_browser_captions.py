"""Captions: large text for a projector or OBS, from the button or from an address."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import pytest
from msgspec.structs import replace

from server.peer import Port
from tests.browser.steps import connect, watch
from tests.support.fake_server import FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LOOK = """() => {
  const roll = getComputedStyle(document.getElementById('roll'));
  const box = getComputedStyle(document.getElementById('captions'));
  return {
    color: box.color, background: box.backgroundColor, align: roll.textAlign,
    size: parseFloat(roll.fontSize) / innerWidth * 100,
    lines: parseFloat(roll.height) / parseFloat(roll.lineHeight),
  };
}"""
PLAIN = {
    "color": "rgb(255, 255, 255)",
    "background": "rgb(0, 0, 0)",
    "align": "left",
    "size": pytest.approx(6, abs=0.1),
    "lines": pytest.approx(2, abs=0.05),
}


async def open_captions(page: Page, server: FakeServer, query: str = "") -> None:
    """A caption page that has connected by itself."""
    before = len(server.addresses[Port.CONTROL])
    await page.goto(f"{server.page_url}?captions=1&role=viewer{query}")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    assert len(server.addresses[Port.CONTROL]) == before + 1


async def pixel(page: Page) -> tuple[int, ...]:
    """Red, green, blue and alpha of the top left pixel."""
    picture = await page.screenshot(omit_background=True)
    with av.open(io.BytesIO(picture), mode="r") as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgba")
    return tuple(int(value) for value in frame[0, 0])


async def test_the_button_opens_and_escape_leaves(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    button = page.get_by_role("button", name="Captions", exact=True)
    await button.press("Enter")
    await expect(page.locator("#captions")).to_be_visible()
    await expect(page.locator("main")).to_be_hidden()
    await expect(page.locator("#captions-close")).to_be_focused()
    server.say(final("สวัสดีครับ"))
    await expect(page.locator("#roll")).to_have_text("สวัสดีครับ")
    await page.keyboard.press("Escape")
    await expect(page.locator("#captions")).to_be_hidden()
    await expect(button).to_be_focused()
    await expect(page.locator("#finals .said")).to_have_text("สวัสดีครับ")
    await button.click()
    await expect(page.locator("#roll")).to_have_text("")
    await page.click("#captions-close")
    await expect(page.locator("main")).to_be_visible()


async def test_nothing_but_text_is_seen_while_all_is_well(page: Page, server: FakeServer) -> None:
    await open_captions(page, server)
    server.say(final("สวัสดีครับ"))
    await page.mouse.move(-1, -1)
    await expect(page.locator("#captions nav")).to_have_css("opacity", "0")


async def test_the_address_says_how_it_looks(page: Page, server: FakeServer) -> None:
    asked = "&size=9&color=%23ffee00&background=navy&lines=3&align=center"
    await open_captions(page, server, asked)
    assert await page.evaluate(LOOK) == {
        "color": "rgb(255, 238, 0)",
        "background": "rgb(0, 0, 128)",
        "align": "center",
        "size": pytest.approx(9, abs=0.1),
        "lines": pytest.approx(3, abs=0.05),
    }


BAD = (
    "&size=huge&color=red;background:url(x)&background=%22&lines=many&align=up&clear=soon",
    "&size=&color=&background=&lines=&align=&clear=",
    "&size=NaN&color=javascript:1&background=url(//x)&lines=0&align=inherit&clear=-",
    "&color=var(--accent)&background=var(--nothing)",
)


@pytest.mark.parametrize("query", BAD)
async def test_bad_values_are_ignored(page: Page, server: FakeServer, query: str) -> None:
    await open_captions(page, server, query)
    assert await page.evaluate(LOOK) == PLAIN


async def test_sizes_have_limits(page: Page, server: FakeServer) -> None:
    await page.set_viewport_size({"width": 1280, "height": 720})
    await open_captions(page, server, "&size=1e9&lines=1e9")
    look: dict[str, Any] = await page.evaluate(LOOK)
    assert look["lines"] == pytest.approx(12, abs=0.1)
    assert look["size"] == pytest.approx(0.94 * 720 / 1.6 / 12 / 1280 * 100, abs=0.1)
    await page.set_viewport_size({"width": 300, "height": 7200})
    assert (await page.evaluate(LOOK))["size"] == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_transparent_background_lets_all_through(
    page: Page, server: FakeServer, scheme: Any
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await open_captions(page, server, "&background=transparent")
    server.say(final("สวัสดีครับ"))
    await expect(page.locator("#roll")).to_have_text("สวัสดีครับ")
    assert (await pixel(page))[3] == 0
    await page.keyboard.press("Escape")
    assert (await pixel(page))[3] == 255


async def test_text_goes_when_nothing_is_said(page: Page, server: FakeServer) -> None:
    await page.clock.install()
    await open_captions(page, server, "&clear=3")
    server.say(final("หนึ่ง"))
    await expect(page.locator("#roll")).to_have_text("หนึ่ง")
    await page.clock.run_for(2_000)
    server.say(partial("สอง", utterance_id=2))
    await expect(page.locator("#roll .now")).to_have_text("สอง")
    await page.clock.run_for(2_000)
    await expect(page.locator("#roll > p")).to_have_text("หนึ่ง")
    await page.clock.run_for(1_500)
    await expect(page.locator("#roll > p")).to_have_count(0)


async def test_it_connects_again_after_a_loss_and_says_so(page: Page, server: FakeServer) -> None:
    await page.add_init_script("Math.random = () => 0")
    await open_captions(page, server)
    await server.hang_up(Port.CONTROL)
    state = page.locator("#caption-state")
    await expect(state).not_to_have_text("")
    await expect(page.locator("#captions nav")).to_have_css("opacity", "1")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await expect(state).to_have_text("")
    server.say(final("กลับมาแล้ว"))
    await expect(page.locator("#roll")).to_have_text("กลับมาแล้ว")


async def test_it_waits_for_a_server_that_is_not_there_yet(
    context: BrowserContext, server: FakeServer
) -> None:
    page = await context.new_page()
    complaints = watch(page)
    await page.goto(f"{server.page_url}?captions=1&server=ws://localhost:9")
    await expect(page.locator("#caption-state")).to_contain_text("Trying again")
    assert all("ERR_" in complaint for complaint in complaints)


@pytest.mark.parametrize("size", ["6", "14", "30"])
async def test_only_whole_last_lines_are_seen_within_the_screen(
    page: Page, server: FakeServer, size: str
) -> None:
    await page.set_viewport_size({"width": 1280, "height": 720})
    await open_captions(page, server, f"&size={size}")
    server.say(*(final("มหาวิทยาลัยธรรมศาสตร์ " * 9, utterance_id=n) for n in range(1, 9)))
    server.say(replace(partial("ประวัติศาสตร์ของเรา " * 9, utterance_id=20), speaker="Nok"))
    server.say(partial("a" * 300, utterance_id=21, stream_id="a2.1"))
    await expect(page.locator("#roll .now")).to_have_count(2)
    assert await page.locator("#roll > p").count() <= 6
    found = await page.evaluate("""() => {
      const roll = document.getElementById('roll');
      const box = roll.getBoundingClientRect();
      const line = parseFloat(getComputedStyle(roll).lineHeight);
      const tops = [...roll.querySelectorAll('p')].map((p) => p.getBoundingClientRect().bottom);
      return {
        lines: box.height / line,
        wide: Math.max(document.documentElement.scrollWidth, roll.scrollWidth + box.left),
        torn: tops.map((bottom) => (box.bottom - bottom) / line % 1)
          .filter((part) => part > 0.03 && part < 0.97),
        below: Math.max(...tops) - box.bottom,
      };
    }""")
    assert found["lines"] == pytest.approx(2, abs=0.02)
    assert found["wide"] <= 1280
    assert found["torn"] == []
    assert abs(found["below"]) < 2


async def test_words_roll_up_and_settled_text_stays(page: Page, server: FakeServer) -> None:
    await open_captions(page, server)
    server.say(final("ตอนแรก"), partial("แล้ว", utterance_id=2))
    await expect(page.locator("#roll .now")).to_have_text("แล้ว")
    top = "document.querySelector('#roll > p').getBoundingClientRect().top"
    before = await page.evaluate(top)
    for text in ("แล้วก็", "แล้วก็ไป", "แล้วก็", "แล้วก็ไปบ้าน"):
        server.say(partial(text, "แล้ว", utterance_id=2))
        await expect(page.locator("#roll .now")).to_have_text(text)
        assert await page.evaluate(top) == before
    server.say(partial("แล้วก็ไปบ้าน " * 6, "แล้ว", utterance_id=2))
    await expect(page.locator("#roll .now")).to_contain_text("บ้าน แล้ว")
    rolled = await page.evaluate(top)
    assert rolled < before
    server.say(partial("แล้ว", utterance_id=2))
    await expect(page.locator("#roll .now")).to_have_text("แล้ว")
    assert await page.evaluate(top) == rolled


async def test_a_speaker_is_named_the_same_before_and_after(page: Page, server: FakeServer) -> None:
    await open_captions(page, server)
    server.say(replace(partial("สวัสดีครับ", "สวัสดี"), speaker="Nok"))
    await expect(page.locator("#roll .now")).to_have_text("Nok: สวัสดีครับ")
    await expect(page.locator("#roll .stable")).to_have_text("Nok: สวัสดี")
    server.say(final("สวัสดีครับ", speaker="Nok"))
    await expect(page.locator("#roll")).to_have_text("Nok: สวัสดีครับ")
    await expect(page.locator("#roll .now")).to_have_count(0)


@pytest.mark.parametrize("link", ["viewer-link", "caption-link"])
async def test_the_links_lead_to_a_viewer_of_the_session(
    context: BrowserContext, page: Page, server: FakeServer, link: str
) -> None:
    await connect(page, server, "?session=room-1")
    await page.locator("#share-card summary").click()
    await page.fill("#caption-color", "#00ff00")
    await page.check("#caption-clear")
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.click(f"#{link} + button")
    await expect(page.locator(f"#{link} + button")).to_have_text("Copied")
    href = await page.evaluate("navigator.clipboard.readText()")
    assert href == await page.input_value(f"#{link}")
    viewer = await context.new_page()
    complaints = watch(viewer)
    audio_before = len(server.addresses[Port.AUDIO])
    await viewer.goto(href)
    await expect(viewer.locator("#link-state")).to_have_text("Connected")
    address = server.addresses[Port.CONTROL][-1]
    assert (address.session, address.role.value) == ("room-1", "viewer")
    assert len(server.addresses[Port.AUDIO]) == audio_before
    server.say(final("สวัสดีผู้ชม"))
    place = "#roll" if link == "caption-link" else "#finals .said"
    await expect(viewer.locator(place)).to_have_text("สวัสดีผู้ชม")
    if link == "caption-link":
        look = await viewer.evaluate(LOOK)
        assert (look["color"], look["background"]) == ("rgb(0, 255, 0)", "rgba(0, 0, 0, 0)")
    assert complaints == []
