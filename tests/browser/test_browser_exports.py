"""The files that the page writes: they parse, fit the events and read well as subtitles."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from server.messages import FinalTranscription
from tests.browser.rendered_lines import ENDS_BADLY, STARTS_BADLY
from tests.browser.steps import connect, start_recording, stop_recording
from tests.support.fake_server import FakeServer, final
from tests.support.subtitles import Cue, read_srt, read_vtt

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

NASTY = "ก <b>&amp; --> </v> 5 > 3 & ข"
LONG = (
    "ผู้เชี่ยวชาญจากมหาวิทยาลัยธรรมศาสตร์กล่าวว่าพฤติกรรมผู้บริโภคเปลี่ยนไปอย่างรวดเร็ว "
    "และราคาสินค้าต่าง ๆ ในกรุงเทพฯ ก็เพิ่มขึ้นเรื่อย ๆ โดยเฉพาะน้ำมันเชื้อเพลิงกับไข่ไก่ "
    "แล้วก็ฮ่าาาาาาา เป๊ะๆ เลยนะคะ " + "." * 90 + " จบ"
)
COLUMNS = 42
MARKS = re.compile(r"[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")


def at(event: FinalTranscription, start_ms: int, end_ms: int) -> FinalTranscription:
    """The event at another place of its stream."""
    return replace(event, start_ms=start_ms, end_ms=end_ms)


async def recorded(page: Page, server: FakeServer, *events: FinalTranscription) -> None:
    """A take with these finals."""
    await start_recording(page, server, frames=1)
    before = await page.locator("#finals li").count()
    server.say(*events)
    await expect(page.locator("#finals li")).to_have_count(before + len(events))
    await stop_recording(page)


async def export(page: Page, kind: str) -> str:
    """What the button of a kind gives; its name says when and what it is."""
    async with page.expect_download() as waiting:
        await page.click(f"[data-export={kind}]")
    download = await waiting.value
    assert re.fullmatch(
        rf"thai-transcript-\d{{4}}-\d\d-\d\d-\d{{4}}\.{kind}", download.suggested_filename
    )
    path = await download.path()
    return path.read_bytes().decode("utf-8")


async def exported(page: Page) -> tuple[list[str], list[Cue], list[Cue], list[dict[str, Any]]]:
    """All four files, parsed."""
    txt, srt, vtt, rows = [await export(page, kind) for kind in ("txt", "srt", "vtt", "json")]
    assert txt.endswith("\n")
    return txt.splitlines(), read_srt(srt), read_vtt(vtt), json.loads(rows)


async def test_all_kinds_tell_the_same(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    first = at(final("สวัสดีครับ"), 400, 2900)
    second = at(replace(final("ลาก่อน", utterance_id=2), speaker="Nok"), 61_003, 3_723_999)
    await recorded(page, server, first, second)
    txt, srt, vtt, rows = await exported(page)
    assert txt == ["สวัสดีครับ", "Nok: ลาก่อน"]
    assert srt == [Cue(400, 2900, [txt[0]]), Cue(61_003, 3_723_999, [txt[1]])]
    assert vtt == [Cue(400, 2900, [txt[0]]), Cue(61_003, 3_723_999, ["ลาก่อน"], "Nok")]
    assert rows[1] == {
        "start_ms": 61_003,
        "end_ms": 3_723_999,
        "text": "ลาก่อน",
        "edited": False,
        "heard": "ลาก่อน",
        "speaker": "Nok",
        "duration": 2.5,
        "processing_time": 0.8,
        "speed_ratio": 3.1,
        "confidence": 0.9,
        "model": "openai/whisper-base",
        "model_id": "whisper-base",
        "timestamp": "2025-09-03T10:30:02.500Z",
    }
    assert rows[0]["speaker"] is None


async def test_markup_and_line_ends_break_no_file(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    speaker = "a > b <i>\n&"
    torn = replace(final("บน\n\nล่าง --", utterance_id=2), speaker=speaker)
    await recorded(page, server, final(NASTY), torn)
    txt, srt, vtt, rows = await exported(page)
    assert srt[0].lines == vtt[0].lines == [NASTY]
    assert vtt[1].lines == ["บน ล่าง --"]
    assert vtt[1].speaker == "a > b <i> &"
    assert txt[1] == srt[1].lines[0] == "a > b <i> &: บน ล่าง --"
    assert [rows[0]["text"], rows[1]["speaker"]] == [NASTY, speaker]


async def test_edited_text_is_exported(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await recorded(page, server, final("สวัสดีคับ"), at(final("ลบ", utterance_id=2), 2500, 3000))
    await page.get_by_role("button", name="Edit: สวัสดี").press("Enter")
    await page.get_by_label("Text of this line").fill("สวัสดีครับ")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Delete: ลบ").press("Enter")
    txt, [srt], [vtt], [row] = await exported(page)
    assert txt == srt.lines == vtt.lines == ["สวัสดีครับ"]
    assert (row["text"], row["heard"], row["edited"]) == ("สวัสดีครับ", "สวัสดีคับ", True)


async def test_a_long_final_becomes_cues_of_two_short_lines(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    spoken = at(replace(final(LONG), speaker="Somsak"), 999, 16_001)
    await recorded(page, server, spoken, at(final("จบ", utterance_id=2), 16_001, 17_000))
    _, srt, vtt, _ = await exported(page)
    bounds = await page.evaluate(
        "(text) => Array.from(new Intl.Segmenter('th', { granularity: 'word' }).segment(text), "
        "({ segment }) => segment)",
        LONG,
    )
    for cues in (srt, vtt):
        assert len(cues) > 3
        assert (cues[0].start_ms, cues[-2].end_ms) == (999, 16_001)
        for one, other in itertools.pairwise(cues):
            assert one.start_ms < one.end_ms == other.start_ms
        for line in itertools.chain.from_iterable(cue.lines for cue in cues):
            assert len(MARKS.sub("", line)) <= COLUMNS
            assert not STARTS_BADLY.search(line)
            assert not ENDS_BADLY.search(line)
            start = line.removeprefix("Somsak: ").lstrip("(“")
            assert any(start.startswith(word) for word in bounds)
        assert max(len(cue.lines) for cue in cues) == 2
    assert "".join(itertools.chain.from_iterable(cue.lines for cue in vtt[:-1])).replace(
        " ", ""
    ) == LONG.replace(" ", "")
    assert [cue.speaker for cue in vtt[:-1]] == ["Somsak"] * (len(vtt) - 1)


@pytest.mark.parametrize("end_ms", [1_999, 2_001, 59_999, 3_599_997])
async def test_times_are_never_rounded_a_second_back(
    page: Page, server: FakeServer, end_ms: int
) -> None:
    await connect(page, server)
    texts = ("คำ " * 33, "ยาว " * 47, "กว่า " * 59)
    events = [final(text, utterance_id=n) for n, text in enumerate(texts, start=1)]
    step = end_ms / 3
    placed = [at(e, round(n * step), round((n + 1) * step)) for n, e in enumerate(events)]
    await recorded(page, server, *placed)
    cues = read_srt(await export(page, "srt"))
    edges = list(itertools.chain.from_iterable((cue.start_ms, cue.end_ms) for cue in cues))
    assert edges == sorted(edges)
    assert edges[-1] == end_ms


async def test_takes_lie_one_after_the_other(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await recorded(page, server, at(final("หนึ่ง"), 0, 2500))
    await recorded(page, server, at(final("สอง", utterance_id=2), 300, 1300))
    await page.click("#connect")
    await page.click("#connect")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await recorded(page, server, at(final("สาม"), 200, 700))
    rows = json.loads(await export(page, "json"))
    assert [row["text"] for row in rows] == ["หนึ่ง", "สอง", "สาม"]
    assert [(row["start_ms"], row["end_ms"]) for row in rows] == [
        (0, 2500),
        (2800, 3800),
        (4000, 4500),
    ]


async def test_an_empty_transcript_exports_nothing(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await page.evaluate("window.saved = 0; HTMLAnchorElement.prototype.click = () => saved++; 0")
    for kind in ("txt", "srt", "vtt", "json"):
        await page.click(f"[data-export={kind}]")
    assert await page.evaluate("saved") == 0
