"""A connection that breaks is told and made again; nothing that was said is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio
from msgspec.structs import replace

from server import protocol
from server.messages import FinalTranscription
from server.peer import Port
from tests.browser.fed_microphone import (
    FEED,
    PERIOD,
    feed,
    feed_to,
    heard,
    rate_hz,
    record,
    speak,
)
from tests.browser.steps import connect, stop_recording, watch
from tests.support.fake_server import PAGE, FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LONG_MS = 120_000


@pytest_asyncio.fixture(loop_scope="session")
async def stubborn(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab that may find no server: Chromium complains of that on the console by itself."""
    tab = await context.new_page()
    complaints = watch(tab)
    yield tab
    expected = ("ERR_CONNECTION_", "closed before the connection is established")
    assert [text for text in complaints if not any(part in text for part in expected)] == []


async def stop_the_clock(page: Page) -> None:
    """From the page's opening on its time passes only when the test says so."""
    await page.clock.install(time=1_000_000)
    await page.add_init_script("Math.random = () => 0.5;")


def said(text: str, utterance_id: int, end_ms: int) -> FinalTranscription:
    return replace(final(text, utterance_id=utterance_id), end_ms=end_ms)


@pytest.mark.parametrize("port", list(Port))
async def test_a_lost_connection_is_told_and_made_again(
    page: Page, server: FakeServer, port: Port
) -> None:
    await connect(page, server)
    server.say(final("ก่อนหลุด"))
    await expect(page.locator("#finals li")).to_have_count(1)
    await server.hang_up(port, reason="bye")
    lost = page.locator("#messages li", has_text="The connection to the server was lost")
    await expect(lost).to_contain_text("(1011: bye)")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await expect(lost).to_have_count(0)
    await server.until(lambda: len(server.requests_of(protocol.GetModels)) == 2)
    server.say(final("หลังต่อใหม่"))  # the same numbers: they start anew with a connection
    await expect(page.locator("#finals .said")).to_have_text(["ก่อนหลุด", "หลังต่อใหม่"])


async def test_a_server_that_was_started_again_is_found(stubborn: Page, server: FakeServer) -> None:
    await connect(stubborn, server)
    server.say(final("ก่อนหลุด"))
    await expect(stubborn.locator("#finals li")).to_have_count(1)
    await server.close()
    await expect(stubborn.locator("#messages")).to_contain_text("connection to the server was lost")
    async with FakeServer(server.ports) as second:
        await second.until(lambda: bool(second.requests_of(protocol.GetModels)))
        await expect(stubborn.locator("#messages li")).to_have_count(0)
        second.say(final("หลังต่อใหม่"))
        await expect(stubborn.locator("#finals .said")).to_have_text(["ก่อนหลุด", "หลังต่อใหม่"])


async def test_what_no_final_covers_is_sent_again_without_hole_or_doubling(
    page: Page, server: FakeServer
) -> None:
    await speak(page, server, 6)
    assert server.audio == heard(server, 0, 6)
    server.say(said("หนึ่ง", 1, 2000))
    await expect(page.locator("#finals li")).to_have_count(1)

    server.frames.clear()
    await server.hang_up(Port.AUDIO)
    away = page.locator("#recording-state", has_text="keeping what you say (4 s)")
    await away.wait_for()
    await feed(page, 1.5)  # the microphone goes on
    await server.until(lambda: len(server.audio) >= len(heard(server, 2, 7.5)))
    assert server.audio == heard(server, 2, 7.5)
    await expect(page.locator("#recording-state")).to_have_text("Recording: speak now")

    server.say(said("สอง", 1, 3000))  # counted from where the new stream began
    await expect(page.locator("#finals li")).to_have_count(2)
    server.frames.clear()
    await server.hang_up(Port.CONTROL)
    await server.until(lambda: len(server.audio) >= len(heard(server, 5, 7.5)))
    await feed_to(page, server, 1)
    assert server.audio == heard(server, 5, 8.5)


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_left_stream_still_says_is_not_shown_beside_its_audio_sent_again(
    page: Page, server: FakeServer, restarted: bool
) -> None:
    await speak(page, server, 2)
    server.stream_id = "a2.1"
    server.uptime_s = 0.0 if restarted else 1_000.0
    server.frames.clear()
    await server.hang_up(Port.AUDIO)
    await server.until(lambda: len(server.audio) >= len(heard(server, 0, 2)))
    server.say(partial("หนึ่ง"), said("หนึ่ง", 1, 2000))  # after a restart: somebody else's
    server.say(replace(said("หนึ่ง", 1, 2000), stream_id="a2.1"))
    await expect(page.locator("#finals li")).to_have_count(2 if restarted else 1)
    await expect(page.locator("#partials .said")).to_have_count(0)
    await stop_recording(page)
    server.say(said("สอง", 2, 2000), replace(said("สาม", 2, 2000), stream_id="a3.1"))
    await expect(page.locator("#finals li")).to_have_count(4 if restarted else 2)


async def test_a_final_of_no_speech_covers_its_audio_and_another_speaker_s_does_not(
    page: Page, server: FakeServer
) -> None:
    await speak(page, server, 4)
    server.say(said("", 1, 1000), replace(final("คนอื่น", stream_id="a9.1"), end_ms=3000))
    await expect(page.locator("#finals li")).to_have_count(1)
    server.frames.clear()
    await server.hang_up(Port.AUDIO)
    await server.until(lambda: len(server.audio) >= len(heard(server, 1, 4)))
    assert server.audio == heard(server, 1, 4)


async def test_away_for_longer_than_a_minute_drops_the_oldest_and_says_how_much(
    stubborn: Page, server: FakeServer
) -> None:
    await speak(stubborn, server, 1)
    await server.close()
    await expect(stubborn.locator("#recording-state")).to_contain_text("keeping what you say")
    await feed(stubborn, 65)
    await expect(stubborn.locator("#messages")).to_contain_text("6 s of speech were lost")
    async with FakeServer(server.ports) as second:
        minute = len(heard(server, 0, 60))
        await second.until(lambda: len(second.audio) >= minute)
        await expect(stubborn.locator("#recording-state")).to_have_text("Recording: speak now")
        await feed_to(stubborn, second, 0.5)
        samples = np.frombuffer(second.audio, "<i2")
        lost = round(66.5 * rate_hz(server)) - len(samples)
        assert lost == pytest.approx(6 * rate_hz(server), abs=1024)
        assert np.array_equal(samples, np.arange(lost, lost + len(samples)) % PERIOD)


async def test_silence_that_the_server_heard_is_not_called_lost(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(FEED)
    await connect(page, server)
    await record(page)
    for _ in range(18):
        await feed_to(page, server, 4)
    await server.hang_up(Port.AUDIO)
    await expect(page.locator("#recording-state")).to_contain_text("keeping what you say")
    await feed(page, 2)
    await expect(page.locator("#recording-state")).to_have_text("Recording: speak now")
    await expect(page.locator("#messages")).not_to_contain_text("were lost")


async def test_stop_pressed_while_away_flushes_after_the_reconnect(
    page: Page, server: FakeServer
) -> None:
    await speak(page, server, 1)
    server.frames.clear()
    server.requests.clear()
    await server.hang_up(Port.CONTROL)
    await page.locator("#recording-state", has_text="keeping").wait_for()
    await feed(page, 0.5)
    away = page.locator("#recording-state", has_text="Stopped; 2 s wait for the connection")
    await asyncio.gather(page.click("#record"), away.wait_for())
    await expect(page.locator("#record")).to_have_text("Start Recording")
    assert server.audio == heard(server, 0, 1.5)
    kinds = [type(request) for request in server.requests]
    order = [protocol.AudioConfig, protocol.StartRecording, protocol.AudioEnd]
    assert [kind for kind in kinds if kind in order] == order


@pytest.mark.parametrize("stops_first", [False, True])
async def test_disconnect_while_recording_waits_for_the_last_words(
    page: Page, server: FakeServer, stops_first: bool
) -> None:
    await page.add_init_script(FEED)
    server.acknowledges.clear()
    await connect(page, server)
    await record(page)
    await feed_to(page, server, 1)
    if stops_first:
        await page.click("#record")
    await page.click("#connect")
    await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
    await expect(page.locator("#link-state")).to_have_text("Connected")
    server.say(final("คำสุดท้าย"))
    await expect(page.locator("#finals .said")).to_have_text("คำสุดท้าย")
    server.acknowledges.set()
    await expect(page.locator("#link-state")).to_have_text("Not connected")


async def test_disconnect_pressed_twice_leaves_at_once(page: Page, server: FakeServer) -> None:
    await stop_the_clock(page)
    await speak(page, server, 1)
    await page.evaluate("for (const _ of [1, 2]) document.getElementById('connect').click()")
    await expect(page.locator("#link-state")).to_have_text("Not connected")
    await page.clock.run_for(LONG_MS)
    await expect(page.locator("#record")).to_have_text("Start Recording")


HELD_MICROPHONE = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const allowed = new Promise((resolve) => { globalThis.allow = resolve; });
navigator.mediaDevices.getUserMedia = async (asked) => { await allowed; return open(asked); };
"""


async def test_a_recording_begun_while_the_connection_breaks_waits_for_it(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(FEED)
    await page.add_init_script(HELD_MICROPHONE)
    await connect(page, server)
    await page.click("#record")
    await server.hang_up(Port.AUDIO)
    await page.locator("#link-state.trying").wait_for()
    await page.evaluate("allow()")
    await server.until(lambda: bool(server.requests_of(protocol.StartRecording)))
    await expect(page.locator("#recording-state")).to_have_text("Recording: speak now")
    await feed_to(page, server, 1)
    assert server.audio == heard(server, 0, 1)


async def test_a_first_connect_that_fails_is_not_tried_again(
    stubborn: Page, server: FakeServer
) -> None:
    await stop_the_clock(stubborn)
    await server.close()
    await stubborn.goto(PAGE.as_uri())
    await stubborn.fill("#address", server.control_url)
    await stubborn.click("#connect")
    await expect(stubborn.locator("#messages li.error")).to_contain_text("connection failed")
    async with FakeServer(server.ports) as second:
        await stubborn.clock.run_for(LONG_MS)
        await expect(stubborn.locator("#link-state")).to_have_text("Not connected")
        assert second.addresses[Port.CONTROL] == []


async def test_a_page_that_is_to_connect_by_itself_goes_on_trying(
    stubborn: Page, server: FakeServer
) -> None:
    await server.close()
    await stubborn.goto(f"{PAGE.as_uri()}?connect=1&server={server.control_url}")
    await stubborn.locator("#link-state", has_text="Trying again").wait_for()
    async with FakeServer(server.ports):
        await expect(stubborn.locator("#link-state")).to_have_text("Connected")


async def test_waits_double_count_down_and_end_with_disconnect(
    stubborn: Page, server: FakeServer
) -> None:
    await stop_the_clock(stubborn)
    await connect(stubborn, server)
    await stubborn.clock.pause_at(2_000_000)
    await server.close()
    state = stubborn.locator("#link-state")
    await expect(state).to_have_text("Trying again in 1 s")
    for wait_ms in (500, 1000, 2000):
        await stubborn.clock.run_for(wait_ms)
        await expect(state).to_have_text(f"Trying again in {wait_ms // 500} s")
    words = []
    for _ in range(39):
        await stubborn.clock.run_for(100)
        words.append(await state.inner_text())
    assert list(dict.fromkeys(words)) == [f"Trying again in {s} s" for s in (4, 3, 2, 1)]
    await stubborn.click("#connect")
    await expect(stubborn.locator("#link-state")).to_have_text("Not connected")
    async with FakeServer(server.ports) as second:
        await stubborn.clock.run_for(LONG_MS)
        await expect(stubborn.locator("#link-state")).to_have_text("Not connected")
        assert second.addresses[Port.CONTROL] == []


async def test_a_network_that_is_back_is_tried_at_once(stubborn: Page, server: FakeServer) -> None:
    await stop_the_clock(stubborn)
    await connect(stubborn, server)
    await stubborn.clock.pause_at(2_000_000)
    await server.close()
    await stubborn.locator("#link-state", has_text="Trying again").wait_for()
    async with FakeServer(server.ports):
        await stubborn.evaluate("dispatchEvent(new Event('online'))")
        await expect(stubborn.locator("#link-state")).to_have_text("Connected")


async def test_disconnect_while_connecting_leaves_nothing_behind(stubborn: Page) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        await stop_the_clock(stubborn)
        await stubborn.goto(PAGE.as_uri())
        await stubborn.fill("#address", f"localhost:{silent.sockets[0].getsockname()[1]}")
        await stubborn.click("#connect")
        await expect(stubborn.locator("#link-state")).to_have_text("Connecting …")
        await stubborn.click("#connect")
        await expect(stubborn.locator("#link-state")).to_have_text("Not connected")
        await stubborn.clock.run_for(LONG_MS)
        await expect(stubborn.locator("#link-state")).to_have_text("Not connected")
        await expect(stubborn.locator("#messages li")).to_have_count(0)
