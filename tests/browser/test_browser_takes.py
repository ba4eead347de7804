"""Several takes over one connection: the server's stream clock goes on from one to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.peer import Port
from tests.browser.fed_microphone import FEED, feed_to, heard, record, speak
from tests.browser.steps import connect, stop_recording
from tests.support.audio_signals import pcm16, tone, wav_bytes
from tests.support.fake_server import FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_second_take_lies_behind_the_first_and_is_sent_again_from_its_last_final(
    page: Page, server: FakeServer
) -> None:
    await speak(page, server, 2)
    server.say(final("หนึ่ง", end_ms=2_000))
    await expect(page.locator("#finals li")).to_have_count(1)
    await stop_recording(page)

    server.received_ms = 2_000
    server.frames.clear()
    await record(page)
    await feed_to(page, server, 3)
    server.say(final("สอง", utterance_id=2, end_ms=3_000))
    await expect(page.locator("#finals li")).to_have_count(2)
    server.received_ms = 0
    server.frames.clear()
    await server.hang_up(Port.AUDIO)
    await server.until(lambda: len(server.audio) >= len(heard(server, 1, 3)))
    assert server.audio == heard(server, 1, 3)

    async with page.expect_download() as download:
        await page.click("[data-export=json]")
    path = await (await download.value).path()
    finals = json.loads(Path(path).read_bytes())  # noqa: ASYNC240 - a small local file
    assert [line["end_ms"] for line in finals] == [2_000, 3_000]


async def test_a_second_file_is_sent_to_its_end(
    page: Page, server: FakeServer, tmp_path: Path
) -> None:
    await connect(page, server)
    file = tmp_path / "tone.wav"
    file.write_bytes(wav_bytes(pcm16(tone(440, 3.0))))
    for number, end_ms in enumerate((3_000, 6_000), start=1):
        server.frames.clear()
        await page.set_input_files("#file", file)
        await server.until(lambda: len(server.audio) == 3 * 32_000)
        server.say(final("คำ", utterance_id=number, end_ms=end_ms))
        await expect(page.locator("#finals li")).to_have_count(number)
        await expect(page.locator("#recording-state")).to_have_text("Ready to record")
        server.received_ms = end_ms


async def test_a_take_without_a_block_ends_nobody_else_s_recording(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(FEED)
    await connect(page, server)
    await record(page)
    await stop_recording(page)
    assert len(server.audio) > 0, "the session ends its recording behind audio only"
    assert {type(request).__name__ for request in server.requests} >= {"AudioEnd"}
    assert "StopRecording" not in {type(request).__name__ for request in server.requests}
