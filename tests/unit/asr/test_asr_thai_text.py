"""Thai repair, safe cuts, loops and hallucinations, on the cases that recognisers produce."""

from __future__ import annotations

import unicodedata

import pytest

from asr.thai_text import (
    chars_per_second,
    clusters,
    compression_ratio,
    find_loop,
    is_bare_greeting,
    is_hallucination,
    is_loop,
    loop_ratio,
    may_cut,
    normalise,
    safe_boundary,
    spoken,
)

SENTENCE = "กดปุ่มชิฟต์บนแป้นพิมพ์พร้อมกัน เพื่อให้ลูกบอลพุ่งเป็นเส้นตรง"


@pytest.mark.parametrize(
    "broken",
    ["น้\u0e4dา", "น\u0e4d้า", "น\u0e4dา้", unicodedata.normalize("NFKC", "น้ำ"), "น\u200b้ำ", "นำ้"],
)
def test_sara_am_is_repaired(broken: str) -> None:
    assert normalise(broken) == "น้ำ"


@pytest.mark.parametrize(
    ("broken", "right"),
    [
        ("เเม่", "แม่"),
        ("ท่ี", "ที่"),
        ("ทีี่่", "ที่"),
        ("ค่ะ่", "ค่ะ"),
        ("คะ่", "ค่ะ"),
        ("สิทธ์ิ", "สิทธิ์"),
        ("อยูู่", "อยู่"),
        ("กๅร", "การ"),
        ("ฤๅษี", "ฤๅษี"),
        ("เด็ก ๆ เล่น", "เด็กๆ เล่น"),
        ("เก่งๆๆ", "เก่งๆ"),
        ("  ครับ\u00a0\n ผม  ", "ครับ ผม"),
        ("ธนา\ufffdคาร\ufeff", "ธนาคาร"),
        ("open the  door", "open the door"),
        ("นานาาา", "นานาาา"),
        ("\ufffd", ""),
    ],
)
def test_normalise(broken: str, right: str) -> None:
    assert normalise(broken) == right


def test_normalise_leaves_good_text_alone() -> None:
    assert normalise(SENTENCE) == SENTENCE


@pytest.mark.parametrize(
    ("text", "end", "cut"),
    [
        ("ครับ", 2, 1),  # before a vowel above
        ("ครับ", 3, 3),
        ("ค่ะ", 1, 0),
        ("ค่ะ", 2, 0),  # before a following vowel
        ("เดี๋ยว", 1, 0),  # after a leading vowel
        ("เดี๋ยว", 2, 0),
        ("เดี๋ยว", 4, 4),
        ("มาเ", 3, 2),  # the text itself ends on a leading vowel
        ("เก่งๆ", 4, 3),
        ("มา", 99, 2),
        ("มา", -1, 0),
        ("", 0, 0),
    ],
)
def test_safe_boundary(text: str, end: int, cut: int) -> None:
    assert safe_boundary(text, end) == cut


def test_clusters() -> None:
    assert clusters("เดี๋ยวน้ำ OK ไปๆ") == [
        *("เดี๋", "ย", "ว", "น้ำ", " ", "O", "K", " ", "ไปๆ"),
    ]
    assert clusters("") == []
    assert clusters("มาแ") == ["มา", "แ"]


def test_spoken_keeps_marks_and_drops_the_rest() -> None:
    assert spoken("ค่ะ, OK! (50%) เก่ง ๆ…") == "ค่ะok50เก่งๆ"


@pytest.mark.parametrize(
    "text",
    [
        "ครับ" * 4,
        "ครับ " * 20,
        "ผมไปกินข้าว" * 4,
        "วันนี้ " + "นะคะ " * 12,
        "no no no no no",
        "0" * 40,
    ],
)
def test_loops(text: str) -> None:
    assert is_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SENTENCE,
        "ครับครับครับ",
        "1,000,000,000",
        "55555",
        "อืม........................",
        "ครับ ครับ ครับ ครับ วันนี้อากาศดีมากเลยไปเที่ยวกันไหม",
    ],
)
def test_honest_repetition_is_no_loop(text: str) -> None:
    assert not is_loop(text)


def test_loop_ratio_is_the_share_of_the_loop() -> None:
    assert loop_ratio("กขคง" + "มา" * 4) == pytest.approx(0.5)
    assert loop_ratio("กขคง") == 0.0


def test_a_loop_with_noise_in_it_is_found_by_compression() -> None:
    text = "".join(f"ครับผมครับผมครับผม{letter}" for letter in "กขคงจฉ")
    assert loop_ratio(text) < 0.5
    assert compression_ratio(text) > 2.4
    assert is_loop(text)


def test_find_loop_names_its_place() -> None:
    assert find_loop(list("xyabababab!")) == (2, 2, 8)
    assert find_loop(list("abcabcabc")) is None


def test_compression_counts_one_byte_a_character() -> None:
    assert compression_ratio(SENTENCE) < 1.2
    assert compression_ratio("ครับ" * 20) > 5
    assert compression_ratio("") == 0.0


def test_chars_per_second() -> None:
    assert chars_per_second("ครับ ๆ!", 0.5) == pytest.approx(10.0)
    assert chars_per_second("ครับ", 0.0) == float("inf")
    assert chars_per_second("", 0.0) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "โปรดติดตามตอนต่อไป",
        "ขอบคุณที่รับชมครับ",
        "ขอบคุณสำหรับการรับชม",
        "ขอบคุณที่ติดตาม",
        "แล้วพบกันใหม่ค่ะ",
        "อย่าลืมกดไลค์ กดแชร์ กดติดตาม นะครับ",
        "คำบรรยายโดยชุมชน Amara.org",
        "Thanks for watching!",
        "[ดนตรี]",
    ],
)
def test_hallucinations(text: str) -> None:
    assert is_hallucination(text)
    assert not is_bare_greeting(text)


@pytest.mark.parametrize("text", ["ขอบคุณครับ", "ขอบคุณมากค่ะ", "สวัสดีครับ", "Thank you.", "Bye bye"])
def test_greetings_are_a_list_of_their_own(text: str) -> None:
    assert is_bare_greeting(text)
    assert not is_hallucination(text)


@pytest.mark.parametrize("text", ["", "ครับ", "ผมชอบเพลงนี้", "อย่าลืมกดไลค์ให้เพื่อน", "สวัสดีครับ ผมชื่อโจน"])
def test_phrases_count_only_as_the_whole_utterance(text: str) -> None:
    assert not is_hallucination(text)
    assert not is_bare_greeting(text)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("น้ำใจ", ["น้ำ", "ใจ"]),
        ("เด็กๆ", ["เด็", "กๆ"]),
        ("กี่ ab", ["กี่", " ", "a", "b"]),
        ("", []),
        ("เ", ["เ"]),
    ],
)
def test_pieces_begin_where_a_line_may_begin(text: str, pieces: list[str]) -> None:
    assert clusters(text) == pieces


def test_no_cut_before_a_mark_or_behind_a_leading_vowel() -> None:
    text = "ที่เก่า"
    assert [text[i:] for i in range(len(text) + 1) if may_cut(text, i)] == ["ที่เก่า", "เก่า", ""]
