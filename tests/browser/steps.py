"""What tests do with the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Page


def watch(tab: Page) -> list[str]:
    """What a page complains about from now on."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    tab.on("console", on_console)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints


async def connect(page: Page, server: FakeServer, query: str = "") -> None:
    """Open the page and press Connect."""
    await page.goto(server.page_url + query)
    await page.click("#connect")
    await page.locator("#link-state.on").wait_for()
    last = page.locator("#model option").nth(len(server.models) - 1)
    await last.wait_for(state="attached")


async def start_recording(page: Page, server: FakeServer, frames: int = 3) -> None:
    """Press Start Recording and wait until that many frames more have arrived."""
    before = len(server.frames)
    await page.click("#record")
    await page.locator("#record", has_text="Stop Recording").wait_for()
    await server.until(lambda: len(server.frames) >= before + frames)


async def stop_recording(page: Page) -> None:
    """Press Stop Recording and wait until it is done."""
    await page.click("#record")
    await page.locator("#record", has_text="Start Recording").wait_for()
