"""Text said twice at a split."""

from __future__ import annotations

import pytest

from asr.overlap import MAX_OVERLAP_CLUSTERS, without_repeated_head
from asr.thai_text import clusters


@pytest.mark.parametrize(
    ("previous", "text", "rest"),
    [
        ("วันนี้เขาจะไปตลาด", "ตลาดกับแม่", "กับแม่"),
        ("วันนี้เขาจะไปตลาด ", " ตลาด กับแม่", "กับแม่"),
        ("ตลาด", "ตลาด", ""),
        ("เขาไปมา", "มาแล้ว", "แล้ว"),
        ("ใช้ open source", "source code", "code"),
        ("ไปไหน", "มาแล้ว", "มาแล้ว"),
        ("", "มาแล้ว", "มาแล้ว"),
        ("มาแล้ว", "", ""),
        ("ไปตลาด", "ไปตลาดแล้ว", "แล้ว"),
    ],
)
def test_the_head_that_was_said_already_is_removed(previous: str, text: str, rest: str) -> None:
    assert without_repeated_head(previous, text) == rest


@pytest.mark.parametrize(
    ("previous", "text"), [("ไม่มาก", "กลับบ้าน"), ("a plan", "nice"), ("หน้า 1", "15 บาท")]
)
def test_one_character_is_the_same_by_chance(previous: str, text: str) -> None:
    assert without_repeated_head(previous, text) == text


def test_thai_is_cut_between_clusters_only() -> None:
    """The vowel of the second text belongs to its consonant, which the first has without it."""
    assert without_repeated_head("มาก", "กำลัง") == "กำลัง"
    assert without_repeated_head("ไปก", "ไปก่อน") == "ไปก่อน"


def test_more_than_an_overlap_can_hold_is_a_real_repetition() -> None:
    phrase = "กขคงจชดตทน"
    assert len(clusters(phrase)) > MAX_OVERLAP_CLUSTERS
    assert without_repeated_head(phrase, phrase + "บ") == phrase + "บ"
