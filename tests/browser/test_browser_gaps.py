"""What was said and got no text: a line where it belongs, on the page and in exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from server.flow_messages import Gap
from server.peer import Port
from tests.browser.fed_microphone import feed_to, heard, speak
from tests.browser.steps import connect
from tests.support.fake_server import STREAM_ID, FakeServer, final, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NOT_RECOGNISED = "[… not recognised]"


def gap(start_ms: int, **more: int) -> Gap:
    return Gap(
        session_id="default",
        stream_id=STREAM_ID,
        start_ms=start_ms,
        reason="decode_failed",
        message="the model failed",
        **more,
    )


async def exported(page: Page, kind: str) -> str:
    async with page.expect_download() as download:
        await page.click(f"[data-export={kind}]")
    path = await (await download.value).path()
    return Path(path).read_text(encoding="utf-8")  # noqa: ASYNC240 - a small local file


async def test_a_gap_is_a_line_at_its_place(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say(final("หนึ่ง", end_ms=1_000), partial("สอง", utterance_id=2))
    await expect(page.locator("#partials .said")).to_have_count(1)
    server.say(gap(start_ms=1_000, end_ms=4_000, utterance_id=2))
    server.say(replace(final("สาม", utterance_id=3, end_ms=6_000), start_ms=4_000))
    lines = page.locator("#finals .said")
    await expect(lines).to_have_text(["หนึ่ง", NOT_RECOGNISED, "สาม"])
    await expect(page.locator("#partials .said")).to_have_count(0)
    assert await exported(page, "txt") == f"หนึ่ง\n{NOT_RECOGNISED}\nสาม\n"
    assert f"00:00:01,000 --> 00:00:04,000\n{NOT_RECOGNISED}" in await exported(page, "srt")
    gaps = [line.get("gap") for line in json.loads(await exported(page, "json"))]
    assert gaps == [None, "decode_failed", None]


async def test_what_was_said_can_be_written_into_a_gap(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    server.say(gap(start_ms=1_000))
    await page.locator(".gap").hover()
    await page.click(".gap [data-act=edit]")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("สวัสดีครับ")
    await page.keyboard.press("Enter")
    await expect(page.locator("#finals .said")).to_have_text("สวัสดีครับ")
    await page.click("[data-language=th]")
    await expect(page.locator("#finals .meta")).to_contain_text("แก้ไขแล้ว")


async def test_a_gap_goes_when_its_audio_is_sent_again(page: Page, server: FakeServer) -> None:
    await speak(page, server, 3)
    server.say(final("หนึ่ง", end_ms=1_000), gap(start_ms=1_000, end_ms=2_500, utterance_id=2))
    await expect(page.locator("#finals .said")).to_have_text(["หนึ่ง", NOT_RECOGNISED])
    server.frames.clear()
    await server.hang_up(Port.AUDIO, 1012)
    await server.until(lambda: len(server.audio) >= len(heard(server, 1, 3)))
    assert server.audio == heard(server, 1, 3)
    await expect(page.locator("#finals .said")).to_have_text(["หนึ่ง"])
    await feed_to(page, server, 1)
    server.say(gap(start_ms=0, end_ms=1_000, utterance_id=1))
    await expect(page.locator("#finals .said")).to_have_text(["หนึ่ง", NOT_RECOGNISED])
