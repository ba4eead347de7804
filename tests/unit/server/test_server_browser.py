"""Opening the page: which address, and what a missing browser does."""

from __future__ import annotations

import asyncio
import logging
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest

from server.browser import open_page, page_url
from tests.support.running_server import scripted_app, serving


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:9000/"),
        ("192.168.1.5", "http://192.168.1.5:9000/"),
        ("0.0.0.0", "http://localhost:9000/"),
        ("::", "http://localhost:9000/"),
        ("::1", "http://[::1]:9000/"),
    ],
)
def test_the_address_is_one_that_a_browser_can_go_to(host: str, url: str) -> None:
    assert page_url(host, 9000) == url


def no_browser(url: str) -> bool:
    return False


def broken_browser(url: str) -> bool:
    raise webbrowser.Error("could not locate runnable browser")


@pytest.mark.parametrize("open_url", [no_browser, broken_browser])
def test_without_a_browser_the_log_says_what_to_open(
    open_url: Callable[[str], bool], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        open_page("http://localhost:9000/", open_url).join()
    assert "open http://localhost:9000/ yourself" in caplog.text


class Browser:
    """Goes to the address it is given, as a browser does, and keeps what it saw."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked: list[str] = []
        self.seen: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def open(self, url: str) -> bool:
        self.asked.append(url)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as answer:
            page = answer.read().decode()
        self.loop.call_soon_threadsafe(self.seen.put_nowait, (url, page))
        return True


async def test_the_browser_gets_the_page_on_the_port_that_was_bound(tmp_path: Path) -> None:
    browser = Browser()
    async with serving(
        scripted_app(tmp_path, changes={"open": True}, open_url=browser.open)
    ) as server:
        async with asyncio.timeout(10):
            url, page = await browser.seen.get()
        assert url == f"http://localhost:{server.app.ports.control}/"
        assert "<html" in page


async def test_unasked_nothing_is_opened(tmp_path: Path) -> None:
    browser = Browser()
    async with serving(scripted_app(tmp_path, changes={"open": False}, open_url=browser.open)):
        pass
    assert not browser.asked
