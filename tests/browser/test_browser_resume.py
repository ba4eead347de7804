"""The page over a network that fails: the transcript is that of one that does not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.tcp_line import TcpLine
from tests.browser.fed_microphone import record
from tests.browser.speech_feed import HEAR, SpokenAudio
from tests.browser.steps import stop_recording, watch
from tests.support.running_server import RunningServer, run_server
from tests.support.speech import utterances

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SPEECH = utterances(1.0, 1.4, 1.2, 1.6)
MIDDLE_S = 3.2
"""In the middle of the second utterance."""


@asynccontextmanager
async def lines(server: RunningServer) -> AsyncIterator[tuple[TcpLine, TcpLine]]:
    """The networks to the two ports; the server tells of them as its own."""
    ports = server.app.ports
    async with TcpLine(ports.control) as control, TcpLine(ports.audio) as audio:
        ports.control, ports.audio = control.port, audio.port
        yield control, audio


async def open_page(
    context: BrowserContext, server: RunningServer, line: TcpLine, query: str = ""
) -> Page:
    """A page that connected over a line."""
    page = await context.new_page()
    await page.add_init_script(HEAR)
    address = f"ws://127.0.0.1:{line.port}"
    await page.goto(f"{server.page_url}/?server={address}&connect=1{query}")
    await page.locator("#link-state.on").wait_for()
    return page


async def finals_of(page: Page) -> list[str]:
    return await page.locator("#finals .said").all_text_contents()


async def times_of(page: Page) -> list[tuple[int, int]]:
    """Where the finals lie on the transcript's clock, as the page exports them."""
    async with page.expect_download() as download:
        await page.click("[data-export=json]")
    path = await (await download.value).path()
    lines = json.loads(Path(path).read_bytes())  # noqa: ASYNC240 - a small local file
    return [(line["start_ms"], line["end_ms"]) for line in lines]


def within_edges(texts: list[str]) -> list[str]:
    """Without the syllables at the ends: a stream that began elsewhere is cut elsewhere there."""
    return [text[2:-2] for text in texts]


Transcript = tuple[list[str], list[tuple[int, int]]]


async def uncut(context: BrowserContext, server: RunningServer, line: TcpLine) -> Transcript:
    """The finals of the speech, and their times, over a network that does not fail."""
    page = await open_page(context, server, line, "&session=reference")
    await record(page)
    await SpokenAudio(SPEECH).say(page)
    await stop_recording(page)
    transcript = (await finals_of(page), await times_of(page))
    await page.close()
    return transcript


@pytest.mark.parametrize("which", ["audio", "control", "both"])
async def test_a_cut_changes_nothing(context: BrowserContext, tmp_path: Path, which: str) -> None:
    async with run_server(tmp_path) as server, lines(server) as both:
        reference = await uncut(context, server, both[0])
        assert len(reference[0]) == 4
        page = await open_page(context, server, both[0], "&session=s")
        complaints = watch(page)
        await record(page)
        audio = SpokenAudio(SPEECH)
        await audio.say(page, MIDDLE_S)
        await page.locator("#partials .said").wait_for()
        hit = {"both": both, "audio": both[1:], "control": both[:1]}[which]
        for line in hit:
            line.cut()
        lost = page.locator("#messages", has_text="The connection to the server was lost")
        await lost.wait_for()
        await expect(page.locator("#partials .said")).to_have_count(1)
        await audio.say(page, MIDDLE_S + 2)
        for line in hit:
            line.mend()
        await expect(page.locator("#messages")).to_contain_text("nothing was lost")
        await audio.say(page)
        await stop_recording(page)
        assert (await finals_of(page), await times_of(page)) == reference
        assert await page.locator("#partials .said").count() == 0
        assert [told for told in complaints if "WebSocket connection" not in told] == []


async def test_stop_pressed_while_away_ends_behind_the_last_word(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with run_server(tmp_path) as server, lines(server) as both:
        reference = await uncut(context, server, both[0])
        page = await open_page(context, server, both[0], "&session=s")
        await record(page)
        audio = SpokenAudio(SPEECH)
        for until_s in (MIDDLE_S, MIDDLE_S + 1.5):
            await audio.say(page, until_s)
            for line in both:
                line.cut()
            await page.locator("#link-state.trying").wait_for()
            for line in both:
                line.mend()
            await page.locator("#link-state.on").wait_for()
        for line in both:
            line.cut()
        await page.locator("#recording-state", has_text="No connection").wait_for()
        await audio.say(page)
        await page.click("#record")
        await page.locator("#recording-state", has_text="Stopped").wait_for()
        for line in both:
            line.mend()
        await expect(page.locator("#record")).to_have_text("Start Recording")
        assert (await finals_of(page), await times_of(page)) == reference


async def test_who_comes_back_too_late_says_again_what_no_final_covers(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with run_server(tmp_path, resume_s=1.0) as server, lines(server) as both:
        reference = await uncut(context, server, both[0])
        viewer = await context.new_page()
        direct = f"ws://127.0.0.1:{both[0].to_port}"
        await viewer.goto(f"{server.page_url}/?session=s&role=viewer&connect=1&server={direct}")
        page = await open_page(context, server, both[0], "&session=s")
        await record(page)
        audio = SpokenAudio(SPEECH)
        await audio.say(page, MIDDLE_S)
        await expect(page.locator("#finals li")).to_have_count(1)
        await page.locator("#partials .said").wait_for()
        for line in both:
            line.cut()
        await audio.say(page, MIDDLE_S + 1)
        await expect(viewer.locator("#finals li")).to_have_count(2)  # the server gave up waiting
        for line in both:
            line.mend()
        await page.locator("#link-state.on").wait_for()
        await audio.say(page)
        await stop_recording(page)
        assert within_edges(await finals_of(page)) == within_edges(reference[0])
        await expect(page.locator("#messages li:is(.error, .warning)")).to_have_count(0)


async def test_who_comes_late_is_shown_what_was_said(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with run_server(tmp_path) as server, lines(server) as both:
        page = await open_page(context, server, both[0], "&session=s&speaker=Nok")
        await record(page)
        audio = SpokenAudio(SPEECH)
        await audio.say(page, 5.8)
        await expect(page.locator("#finals li")).to_have_count(2)
        await page.locator("#partials .said").wait_for()
        said = await finals_of(page)
        late = [
            await open_page(context, server, both[0], f"&session=s{role}")
            for role in ("&role=viewer", "")
        ]
        for other in late:
            await expect(other.locator("#finals .said")).to_have_text(said)
            await expect(other.locator("#finals .speaker")).to_have_text(["Nok", "Nok"])
            await expect(other.locator("#partials .said")).to_have_count(1)
        both[0].cut()  # what the snapshot of who comes back holds was shown already
        for other in late:
            await other.locator("#link-state.trying").wait_for()
        await audio.say(page, 7.5)
        both[0].mend()
        await audio.say(page)
        await stop_recording(page)
        for other in late:
            await expect(other.locator("#finals .said")).to_have_text(await finals_of(page))
            starts = [start for start, _ in await times_of(other)]
            assert starts == sorted(starts)


async def test_others_see_that_a_speaker_s_network_is_gone(
    context: BrowserContext, tmp_path: Path
) -> None:
    async with run_server(tmp_path) as server, lines(server) as both:
        page = await open_page(context, server, both[0], "&session=s&speaker=Nok")
        viewer = await context.new_page()
        await viewer.goto(f"{server.page_url}/?session=s&role=viewer&connect=1")
        await record(page)
        await SpokenAudio(SPEECH).say(page, MIDDLE_S)
        await expect(viewer.locator("#finals li")).to_have_count(1)
        both[1].cut()
        away = viewer.locator("#messages li", has_text="A speaker lost the connection")
        await away.wait_for()
        both[1].mend()
        await expect(away).to_have_count(0)
        await expect(page.locator("#messages")).not_to_contain_text("lost the connection")
