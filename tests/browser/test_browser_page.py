"""The page against a fake server: what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server.messages import ErrorEvent, Notice
from server.peer import Port
from tests.browser.steps import connect, watch
from tests.support.fake_server import PAGE, STREAM_ID, FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MARKUP = '<img src=x onerror="window.hacked=1"><b>ไทย</b>'


async def test_served_page_connects_to_where_it_came_from(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url + "?session=room&speaker=Nok")
    assert await page.input_value("#address") == server.control_url
    assert await page.input_value("#session") == "room"
    await connect(page, server, "?session=room&speaker=Nok")
    await expect(page.locator("#facts")).to_contain_text("room")
    [audio] = server.addresses[Port.AUDIO]
    assert (audio.session, audio.speaker, audio.every_event) == ("room", "Nok", True)
    await page.click("#connect")
    await expect(page.locator("#link-state")).to_have_text("Not connected")


async def test_models_are_listed_with_the_recommended_first(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    assert await page.locator("#model option").all_text_contents() == [
        "⭐ biodatlab-faster · balanced · on disk",
        "whisper-base · balanced · in use",
        "typhoon-turbo · balanced · not on disk",
    ]
    assert await page.input_value("#model") == "whisper-base"
    await expect(page.locator("#load")).to_be_disabled()


async def test_a_model_is_loaded_and_the_result_shown(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await page.select_option("#model", "biodatlab-faster")
    await page.click("#load")
    await expect(page.locator("#model-result")).to_contain_text("biodatlab-faster is loaded")
    await expect(page.locator("#facts")).to_contain_text("biodatlab-faster")
    await expect(page.locator("#model option").first).to_contain_text("in use")


async def test_a_model_that_fails_to_load_is_explained(page: Page, server: FakeServer) -> None:
    message = "Failed to load model typhoon-turbo"
    server.load_errors["typhoon-turbo"] = ErrorEvent(code="model_load_failed", message=message)
    await connect(page, server)
    await page.select_option("#model", "typhoon-turbo")
    await page.click("#load")
    await expect(page.locator("#model-result")).to_contain_text("was not loaded")
    error = page.locator("#messages li.error")
    await expect(error).to_contain_text(f"Error: {message}")
    await expect(error).to_contain_text("Check the internet connection")


async def test_partials_and_finals_are_shown_once(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    heard_on_the_audio_port = replace(final("ที่พอร์ตควบคุม", utterance_id=9), event_id=1)
    server.say_on(Port.CONTROL, heard_on_the_audio_port)
    server.say(partial("สวัสดีครับผม", "สวัสดี"))
    await expect(page.locator(".partial .stable")).to_have_text("สวัสดี")
    await expect(page.locator(".partial .rest")).to_have_text("ครับผม")
    server.say(partial("ค่ะ", stream_id="a2.1"))
    await expect(page.locator(".partial")).to_have_count(2)
    server.say(final("สวัสดีครับ", speaker="Nok"), final("สวัสดีครับ", speaker="Nok"))
    await expect(page.locator(".partial")).to_have_count(1)
    await expect(page.locator("#finals li")).to_have_count(1)
    shown = page.locator("#finals li")
    for text in ("Nok", "สวัสดีครับ", "2.5 s", "0.80 s", "3.1×", "whisper-base"):
        await expect(shown).to_contain_text(text)
    await expect(page.locator("#spoken-final")).to_have_text("สวัสดีครับ")
    server.say(partial("สวัส"), final("", utterance_id=2, stream_id="a2.1", reason="no_speech"))
    await expect(page.locator(".partial")).to_have_count(0)
    await expect(page.locator("#finals li")).to_have_count(1)


async def test_a_provisional_final_is_live_until_the_final_replaces_it(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    server.say(partial("สวัส"), replace(final("สวัสดีครับผม"), provisional=True))
    await expect(page.locator(".partial .said")).to_have_text("สวัสดีครับผม")
    await expect(page.locator("#finals li")).to_have_count(0)
    server.say(final("สวัสดีครับ"), replace(final("สวัสดีครับผม"), provisional=True))
    await expect(page.locator("#finals .said")).to_have_text("สวัสดีครับ")
    await expect(page.locator(".partial")).to_have_count(0)


async def test_a_viewer_reads_along_on_the_control_connection(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server, "?role=viewer")
    assert server.addresses[Port.AUDIO] == []
    server.say(final("สวัสดีครับ"))
    await expect(page.locator("#finals .said")).to_have_text("สวัสดีครับ")
    await expect(page.locator("#record")).to_have_attribute("aria-disabled", "true")
    await expect(page.locator("#recording-state")).to_contain_text("Viewer")


async def test_markup_in_a_transcript_stays_text(page: Page, server: FakeServer) -> None:
    server.notices = [MARKUP]
    await connect(page, server)
    server.say(partial(MARKUP, MARKUP[:5]), final(MARKUP, utterance_id=2, speaker=MARKUP))
    server.say(ErrorEvent(code="odd", message=MARKUP))
    await expect(page.locator("#finals .said")).to_have_text(MARKUP)
    await expect(page.locator("#messages")).to_contain_text(MARKUP)
    assert await page.locator("main img, main b").count() == 0
    assert await page.evaluate("window.hacked") is None


async def test_notices_and_errors_say_what_to_do_and_can_be_dismissed(
    page: Page, server: FakeServer
) -> None:
    server.notices = ["Info: Using CPU (consider GPU for better performance)"]
    await connect(page, server)
    messages = page.locator("#messages li")
    await expect(messages).to_contain_text(["Using CPU (consider GPU"])
    silent = "Warning: No speech detected in audio stream"
    server.say(Notice(level="warning", code="no_speech", message=silent, stream_id="a9.1"))
    server.say(Notice(level="warning", code="no_speech", message=silent))
    await expect(messages.first).to_contain_text("Check microphone permissions")
    await messages.first.get_by_role("button").click()
    await expect(messages).to_have_count(1)
    server.say(partial("อืม"))
    await expect(page.locator(".partial")).to_have_count(1)
    lost = ErrorEvent(code="decode_failed", message="lost", stream_id=STREAM_ID, utterance_id=1)
    server.say(lost)
    await expect(messages.first).to_contain_text("Error: lost")
    await expect(page.locator(".partial")).to_have_count(0)


async def test_no_server_is_explained(context: BrowserContext, server: FakeServer) -> None:
    gone = server.control_url
    await server.close()
    page = await context.new_page()
    complaints = watch(page)
    await page.goto(PAGE.as_uri())
    await page.fill("#address", gone)
    await page.click("#connect")
    error = page.locator("#messages li.error")
    await expect(error).to_contain_text("Error: WebSocket connection failed")
    await expect(error).to_contain_text("the server is running on ports 8765 and 8766")
    await page.fill("#address", "http://")
    await page.click("#connect")
    await expect(error).to_contain_text("This is not a server address")
    assert [text for text in complaints if "ERR_CONNECTION_REFUSED" not in text] == []


async def test_thai_is_the_language_of_thai_browsers_and_can_be_switched(
    context: BrowserContext, server: FakeServer
) -> None:
    assert context.browser is not None
    thai = await context.browser.new_context(locale="th-TH")
    page = await thai.new_page()
    await page.goto(server.page_url)
    await expect(page.locator("#connect")).to_have_text("เชื่อมต่อ")
    await page.click("#connect")
    server.notices = []
    await expect(page.locator("#link-state")).to_have_text("เชื่อมต่อแล้ว")
    server.say(final("สวัสดีครับ"))
    await expect(page.locator(".meta")).to_contain_text("วินาที")
    await page.click("[data-language=en]")
    await expect(page.locator("#connect")).to_have_text("Disconnect")
    await expect(page.locator(".meta")).to_contain_text("processed in 0.80 s")
    assert await page.get_attribute("html", "lang") == "en"
    await thai.close()


async def test_the_keyboard_alone_is_enough(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url)
    await page.focus("#connect")
    await page.keyboard.press("Enter")
    await expect(page.locator("#model option")).to_have_count(3)
    await page.focus("#record")
    await page.keyboard.press("Space")
    await expect(page.locator("#record")).to_have_text("Stop Recording")
    await page.keyboard.press("Space")
    await expect(page.locator("#record")).to_have_text("Start Recording")
    assert await page.evaluate("document.activeElement.id") == "record"


async def test_every_control_has_a_name(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    for role in ("button", "textbox", "combobox", "meter"):
        controls = page.get_by_role(role)
        for index in range(await controls.count()):
            snapshot = await controls.nth(index).aria_snapshot()
            assert '"' in snapshot, snapshot


@pytest.mark.parametrize("width", [320, 390, 1366])
async def test_nothing_is_wider_than_the_screen(page: Page, server: FakeServer, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 740})
    await connect(page, server)
    server.say(final("ก" * 400), partial("a" * 400, utterance_id=2))
    await expect(page.locator("#finals li")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


ADDED_TO_WINDOW = """() => {
  const frame = document.createElement('iframe');
  document.body.append(frame);
  const clean = new Set(Object.getOwnPropertyNames(frame.contentWindow));
  const added = Object.getOwnPropertyNames(window).filter((name) => !clean.has(name));
  frame.remove();
  return added.filter((name) => name !== '0' && !document.getElementById(name));
}"""


async def test_the_page_is_small_and_leaves_nothing_on_window(
    page: Page, server: FakeServer
) -> None:
    assert PAGE.stat().st_size < 120 * 1024
    await connect(page, server)
    assert await page.evaluate(ADDED_TO_WINDOW) == []
