"""The access token: where the page gets it from, where it goes, and where it does not stay."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server import protocol
from server.messages import Notice
from server.peer import Port
from tests.browser.steps import connect, watch
from tests.support.access import access_file, token_of
from tests.support.fake_server import PAGE, FakeServer, final
from tests.support.running_server import run_server

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TOKEN = "a+b/c?รหัส~"
ENCODED = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
OFFER = ("thai-asr", f"token.{ENCODED}")


@pytest.fixture
def guarded(server: FakeServer) -> FakeServer:
    """A server that wants a token."""
    server.token = ENCODED
    return server


async def test_a_token_of_the_address_goes_to_both_ports_and_leaves_the_address(
    page: Page, guarded: FakeServer
) -> None:
    await page.goto(f"{guarded.page_url}?session=room#token={quoted(TOKEN)}")
    assert page.url == f"{guarded.page_url}?session=room"
    assert await page.input_value("#token") == TOKEN
    await page.click("#connect")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    assert guarded.subprotocols == [OFFER, OFFER]
    assert await page.evaluate("JSON.stringify(localStorage)") == '{"thai-asr-language":"en"}'
    await page.reload()
    assert await page.input_value("#token") == TOKEN, "it stays in this tab"
    assert await page.evaluate("performance.getEntriesByType('navigation')[0].name") == page.url
    for link in ("#viewer-link", "#caption-link"):
        assert "token" not in await page.input_value(link)


async def test_another_tab_does_not_have_the_token(
    context: BrowserContext, server: FakeServer
) -> None:
    page = await context.new_page()
    await page.goto(f"{server.page_url}#token=secret")
    other = await context.new_page()
    await other.goto(server.page_url)
    assert await other.input_value("#token") == ""
    await other.goto(f"{server.page_url}#token=late")  # the page is there already
    await expect(other.locator("#token")).to_have_value("late")
    assert other.url == server.page_url


async def test_a_page_from_disk_takes_the_token_too(page: Page, guarded: FakeServer) -> None:
    await page.goto(f"{PAGE.as_uri()}?server={guarded.control_url}#token={quoted(TOKEN)}")
    assert page.url == f"{PAGE.as_uri()}?server={guarded.control_url}"
    await page.click("#connect")
    await expect(page.locator("#link-state")).to_have_text("Connected")


async def test_without_a_token_nothing_is_offered(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    assert server.subprotocols == [(), ()]


async def test_a_refused_handshake_says_that_a_token_may_be_needed(
    context: BrowserContext, guarded: FakeServer
) -> None:
    page = await context.new_page()
    complaints = watch(page)
    await page.goto(guarded.page_url)
    await page.click("#connect")
    await expect(page.locator("#messages li.error")).to_contain_text("a token may be needed")
    await expect(page.locator("#link-state")).to_have_text("Not connected")
    await page.fill("#token", TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await expect(page.locator("#messages li")).to_have_count(0)
    assert [told for told in complaints if "Authentication failed" not in told] == []


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        (4401, "error", "The server wants another access token"),
        (4031, "info", "The server ended the connection"),
        (4032, "info", "The server ended the connection"),
    ],
)
async def test_what_the_server_ends_for_good_is_told_once_behind_the_last_words(
    page: Page, server: FakeServer, code: int, level: str, words: str
) -> None:
    await connect(page, server)
    await server.hang_up(Port.CONTROL, code, "so it is")
    server.say_on(Port.AUDIO, replace(final("คำท้าย"), event_id=1))
    await expect(page.locator("#finals .said")).to_have_text(["คำท้าย"])
    await server.hang_up(Port.AUDIO, code, "so it is")
    told = page.locator(f"#messages li.{level}")
    await expect(told).to_contain_text(words)
    await expect(told).to_contain_text(f"({code}: so it is)")
    await expect(page.locator("#messages li")).to_have_count(1)
    await expect(page.locator("#link-state")).to_have_text("Not connected")
    await expect(page.locator("#token")).to_be_enabled()
    assert len(server.addresses[Port.CONTROL]) == 1


async def test_a_token_that_is_no_longer_good_says_how_to_give_another(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await server.hang_up(Port.AUDIO, 4401, "this token is no longer valid")
    await expect(page.locator("#messages li.error")).to_contain_text("#token=")


@pytest.mark.parametrize("port", list(Port))
async def test_a_warning_of_idleness_is_answered_and_not_shown(
    page: Page, server: FakeServer, port: Port
) -> None:
    await connect(page, server)
    server.say_on(port, Notice(level="warning", code="idle", message="closed in 60 s", left_s=60))
    await server.until(lambda: len(server.requests_of(protocol.Ping)) == 1)
    await expect(page.locator("#messages li")).to_have_count(0)


@pytest.mark.parametrize("code", [1001, 1012])
async def test_a_server_that_is_restarted_is_tried_again(
    page: Page, server: FakeServer, code: int
) -> None:
    await connect(page, server)
    await server.hang_up(Port.CONTROL, code, "restart")
    await page.locator("#link-state.trying").wait_for()
    await expect(page.locator("#link-state")).to_have_text("Connected")


@pytest.mark.parametrize("name", ["desk", "screen"])
async def test_the_server_s_own_tokens_open_both_ports(
    page: Page, tmp_path: Path, name: str
) -> None:
    async with run_server(tmp_path, access_file=str(access_file(tmp_path))) as server:
        await page.goto(f"{server.page_url}/#token={token_of(name)}")
        await page.click("#connect")
        await expect(page.locator("#link-state")).to_have_text("Connected")
        state = {"desk": "Ready to record", "screen": "Viewer: you only read along"}[name]
        await expect(page.locator("#recording-state")).to_have_text(state)


def quoted(token: str) -> str:
    return token.replace("+", "%2B")
