"""LocalAgreement-2 on Thai: what becomes stable, and what a contradiction shows."""

from __future__ import annotations

import pytest

from asr.agreement import LocalAgreement, StableText, align_prefix


def run(*hypotheses: str) -> list[StableText]:
    agreement = LocalAgreement()
    return [agreement.update(text) for text in hypotheses]


def test_one_hypothesis_makes_nothing_stable() -> None:
    assert run("สวัสดีครับ") == [StableText("สวัสดีครับ", "")]


def test_the_common_prefix_of_two_is_stable() -> None:
    assert run("สวัสดีครับ ผม", "สวัสดีครับ ฉันชื่อ")[-1] == StableText("สวัสดีครับ ฉันชื่อ", "สวัสดีครับ")


def test_the_last_piece_waits_for_what_follows() -> None:
    shown = run("ไปค", "ไปค", "ไปค่ะ")
    assert [stable.stable_text for stable in shown] == ["", "ไป", "ไป"]
    assert shown[-1].text == "ไปค่ะ"


def test_agreement_never_ends_inside_a_thai_cluster() -> None:
    assert run("มาก่อนที", "มาก่อนที่บ้าน")[-1].stable_text == "มาก่อน"


@pytest.mark.parametrize(
    ("first", "second", "stable"),
    [
        ("ใช้ deplo", "ใช้ deploy แล้ว", "ใช้"),
        ("ใช้ deploy", "ใช้ deploy", "ใช้"),
        ("ใช้ deploy แล้ว", "ใช้ deploy แล้ว", "ใช้ deploy แล้"),
        ("ราคา 10", "ราคา 10,000 บาท", "ราคา"),
        ("ราคา 10,000 บาท", "ราคา 10,000 บาท", "ราคา 10,000 บา"),
        ("ราคา 10,", "ราคา 10,", "ราคา"),
        ("I don't know", "I don't know it", "I don't know"),
        ("บ้าน 3.", "บ้าน 3.5", "บ้าน"),
        ("ok, ครับ", "ok, ไป", "ok,"),
    ],
)
def test_words_and_numbers_become_stable_whole(first: str, second: str, stable: str) -> None:
    assert run(first, second)[-1].stable_text == stable


def test_a_contradiction_keeps_the_stable_text_and_goes_on_behind_it() -> None:
    shown = run("สวัสดีครับ ผมชื่อ", "สวัสดีครับ ผมชื่อโจน", "สวัสดีค่ะ ผมชื่อโจนครับ")
    assert shown[1].stable_text == "สวัสดีครับ ผมชื่อ"
    assert shown[2].text == "สวัสดีครับ ผมชื่อโจนครับ"


def test_a_shorter_hypothesis_takes_nothing_back() -> None:
    shown = run("กินข้าวแล้ว", "กินข้าวแล้วนะ", "กิน", "")
    assert shown[1].stable_text == "กินข้าวแล้ว"
    assert shown[2] == shown[3] == StableText("กินข้าวแล้ว", "กินข้าวแล้ว")


def test_spliced_latin_words_stay_apart() -> None:
    shown = run("hello there ครับ", "hello there ค่ะ", "help me")
    assert shown[1].stable_text == "hello there"
    assert shown[2].text.startswith("hello there")
    assert "thereme" not in shown[2].text


def test_a_hypothesis_that_contradicts_only_by_a_mark_is_aligned() -> None:
    shown = run("คน", "คนมา", "ค่นมาก")
    assert shown[1].stable_text == "คน"
    assert shown[2].text == "คนมาก"


def test_a_loop_makes_nothing_stable_and_overwrites_nothing() -> None:
    shown = run("ไปกินข้าว", "ไปกินข้าวกัน", "ครับ" * 30, "ครับ" * 30)
    assert shown[2].stable_text == shown[3].stable_text == shown[1].stable_text
    assert shown[2].text.startswith("ไปกินข้าว")


def test_of_a_loop_the_first_turn_is_shown() -> None:
    assert run("คลิกบนตัว " * 8)[-1] == StableText("คลิกบนตัว", "")


def test_one_that_overwrites_nothing_adds_to_it() -> None:
    agreement = LocalAgreement()
    agreement.update("คลิกแล้ว", overwrites=False)
    assert agreement.update("คริกแล้วลากภาพ", overwrites=False).text == "คลิกแล้วลากภาพ"


def test_where_two_of_these_agree_they_correct_what_was_shown() -> None:
    agreement = LocalAgreement()
    for text in ("คลิกแล้ว", "คริกแล้วลาก", "คริกแล้วลากภาพ"):
        shown = agreement.update(text, sure=False, overwrites=False)
    assert shown == StableText("คริกแล้วลากภาพ", "")


def test_one_that_overwrites_replaces_what_was_shown() -> None:
    agreement = LocalAgreement()
    agreement.update("คลิกแล้ว", overwrites=False)
    assert agreement.update("คริกแล้วลากภาพ", overwrites=True).text == "คริกแล้วลากภาพ"


def test_only_sure_hypotheses_make_text_stable() -> None:
    agreement = LocalAgreement()
    for sure in (True, False, False):
        assert agreement.update("ไปกินข้าวกัน", sure=sure).stable_text == ""
    assert agreement.update("ไปกินข้าวกัน", sure=True).stable_text == "ไปกินข้าวกั"


def test_a_loop_at_the_end_is_stable_for_one_turn_only() -> None:
    text = "วันนี้อากาศดีมากเราไปกินข้าวกันก่อนไหม" + "จ้ะ" * 5
    assert run(text + "คุณ", text + "ครับ")[-1].stable_text.count("จ้ะ") == 1


def test_a_partial_never_ends_on_a_leading_vowel() -> None:
    assert run("ผมเ")[-1].text == "ผม"
    assert run("ไป เ")[-1].text == "ไป"


def test_corrupt_text_never_agrees_with_itself() -> None:
    shown = run("ธนา\ufffd", "ธนา\ufffd", "ธนาคาร")
    assert all("\ufffd" not in stable.text for stable in shown)
    assert shown[-1].stable_text == "ธนา"


def test_leading_marks_of_a_cut_token_are_not_shown() -> None:
    assert run("ัครับ")[-1].text == "ครับ"


def test_align_prefix_prefers_the_length_of_the_head() -> None:
    assert align_prefix("abcX", "abcYde") == (1, 4)
    assert align_prefix("", "abc") == (0, 0)
    assert align_prefix("abc", "") == (3, 0)
