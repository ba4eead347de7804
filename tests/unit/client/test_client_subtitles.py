"""The written files are read back by parsers of their own."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from asr.thai_text import FOLLOWERS, LEADING_VOWELS, clusters
from client.exports import word_breaker
from client.subtitles import (
    MAX_COLUMNS,
    MAX_LINES,
    WORD_JOINER,
    cues,
    glued,
    json_text,
    srt,
    txt,
    vtt,
)
from client.thai_text import width
from server.messages import FinalTranscription
from tests.support.fake_server import final

LONG = (
    "วันนี้อากาศดีมากผมเลยตัดสินใจเดินไปตลาดเพื่อซื้อผลไม้และน้ำดื่ม เพราะเมื่อวานที่บ้านไม่มีอะไรเหลือแล้ว "
    "แม่บอกว่าให้ซื้อมะม่วงสุกสักสองกิโลกรัมกับข้าวเหนียวด้วย"
)


def at(text: str, start_ms: int, end_ms: int, speaker: str | None = None) -> FinalTranscription:
    return replace(final(text, speaker=speaker), start_ms=start_ms, end_ms=end_ms)


def ms_of(clock: str) -> int:
    hours, minutes, seconds, ms = map(int, re.split("[:.,]", clock))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def read_srt(text: str) -> list[tuple[int, int, list[str]]]:
    read = []
    for number, part in enumerate(text.strip("\n").split("\n\n") if text else [], 1):
        index, times, *lines = part.split("\n")
        assert index == str(number)
        start, end = re.fullmatch(r"(\d\d+:\d\d:\d\d,\d{3}) --> (\S+)", times).groups()  # type: ignore[union-attr]
        read.append((ms_of(start), ms_of(end), lines))
    return read


def read_vtt(text: str) -> list[tuple[int, int, list[str]]]:
    header, *parts = text.strip("\n").split("\n\n")
    assert header == "WEBVTT"
    read = []
    for part in parts:
        times, *lines = part.split("\n")
        start, end = times.split(" --> ")
        assert re.fullmatch(r"\d\d+:\d\d:\d\d\.\d{3}", start)
        read.append((ms_of(start), ms_of(end), lines))
    return read


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_srt_numbers_its_cues_and_has_their_times() -> None:
    text = srt([at("สวัสดีครับ", 500, 1_250), at("ค่ะ", 3_661_001, 3_662_000)], clusters)
    assert text == (
        "1\n00:00:00,500 --> 00:00:01,250\nสวัสดีครับ\n\n2\n01:01:01,001 --> 01:01:02,000\nค่ะ\n"
    )
    assert read_srt(text) == [(500, 1_250, ["สวัสดีครับ"]), (3_661_001, 3_662_000, ["ค่ะ"])]


def test_srt_says_who_speaks_where_several_do() -> None:
    alone = at("สวัสดี", 0, 500, "Nok")
    assert "[" not in srt([alone], clusters)
    other = replace(at("ค่ะ", 600, 900, "Lek"), stream_id="a2.1")
    assert [lines for *_, lines in read_srt(srt([alone, other], clusters))] == [
        ["[Nok] สวัสดี"],
        ["[Lek] ค่ะ"],
    ]


def test_vtt_has_its_header_and_voices() -> None:
    text = vtt([at("สวัสดี", 0, 999, "Nok")], clusters)
    assert text == "WEBVTT\n\n00:00:00.000 --> 00:00:00.999\n<v Nok>สวัสดี\n"


@pytest.mark.parametrize("write", [srt, vtt])
@pytest.mark.parametrize("hostile", ["ก --> ข", "<b>ก</b> & ข", "{\\an8}ก", "1 < 2 -->", "&lt;"])
def test_text_that_looks_like_markup_stays_text(write: object, hostile: str) -> None:
    assert callable(write)
    text = write([at(hostile, 0, 1_000), at("ต่อ", 1_000, 2_000)], clusters)
    read = read_srt(text) if write is srt else read_vtt(text)
    assert len(read) == 2
    [line] = read[0][2]
    assert "-->" not in line
    markup = r"<[A-Za-z/]|\{\\" if write is srt else "<"
    assert not re.search(markup, line)
    shown = line.replace(WORD_JOINER, "") if write is srt else unescaped(line)
    assert shown == hostile


@pytest.mark.parametrize("words", [clusters, word_breaker()])
def test_a_long_final_becomes_cues_of_short_lines_with_shares_of_its_time(words: object) -> None:
    assert callable(words)
    made = cues([at(LONG, 1_000, 13_000)], words)
    assert len(made) > 1
    assert (made[0].start_ms, made[-1].end_ms) == (1_000, 13_000)
    assert all(a.end_ms == b.start_ms for a, b in pairwise(made))
    for cue in made:
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert all(0 < width(line) <= MAX_COLUMNS for line in cue.lines)
        share = sum(map(width, cue.lines)) / sum(width(x) for c in made for x in c.lines)
        assert (cue.end_ms - cue.start_ms) / 12_000 == pytest.approx(share, abs=0.01)
    lines = [line for cue in made for line in cue.lines]
    assert "".join(lines).replace(" ", "") == LONG.replace(" ", "")
    for line in lines:
        assert line[0] not in FOLLOWERS
        assert width(line[0]) > 0
        assert line[-1] not in LEADING_VOWELS


def test_lines_break_between_thai_words() -> None:
    pytest.importorskip("pythainlp")
    lines = [line for cue in cues([at(LONG, 0, 10_000)], word_breaker()) for line in cue.lines]
    words = set(word_breaker()(LONG))
    for line in lines:
        assert next(w for w in words if line.startswith(w)) in words
        assert "".join(word_breaker()(line)) == line
    assert all(any(line.endswith(word) for word in words) for line in lines)


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        (["ใส้", "ค", "วา", " ", "ขึ้น"], ["ใส้ควา", " ", "ขึ้น"]),
        ([" ", "ณ", "ตลาด"], [" ", "ณตลาด"]),
        (["เ", "ละ"], ["เละ"]),
        (["เด็ก", "ๆ", "ไป"], ["เด็กๆ", "ไป"]),
        (["ณ", " ", "วัน"], ["ณ", " ", "วัน"]),
    ],
)
def test_what_is_no_word_stays_with_its_neighbours(words: list[str], pieces: list[str]) -> None:
    assert glued(words) == pieces


def test_two_lines_are_about_even() -> None:
    [cue] = cues([at("คำ " * 15, 0, 3_000)], lambda text: re.findall(r" |[^ ]+", text))
    first, second = map(width, cue.lines)
    assert abs(first - second) <= 3


def test_a_final_of_no_length_still_shows() -> None:
    [cue] = cues([at("ก", 1_000, 1_000)], clusters)
    assert cue.end_ms > cue.start_ms


def test_empty_finals_make_no_cue_and_no_line() -> None:
    nothing = [at("", 0, 1_000), at(" ", 0, 1_000)]
    assert (srt(nothing, clusters), vtt(nothing, clusters), txt(nothing)) == ("", "WEBVTT\n", "")
    assert json.loads(json_text(nothing)) == []


def test_txt_has_a_line_for_each_final_in_the_order_spoken() -> None:
    finals = [at("สอง", 2_000, 3_000, "Nok"), at("หนึ่ง", 0, 1_000)]
    assert txt(finals) == "หนึ่ง\n[Nok] สอง\n"


def test_json_has_every_field_and_thai_as_it_is() -> None:
    text = json_text([at("สวัสดี", 10, 20)])
    [read] = json.loads(text)
    assert (read["text"], read["start_ms"], read["end_ms"]) == ("สวัสดี", 10, 20)
    assert {"confidence", "model_id", "stream_id", "utterance_id"} <= read.keys()
    assert "สวัสดี" in text
