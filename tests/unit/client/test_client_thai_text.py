from __future__ import annotations

import pytest

from client.thai_text import fold, width


@pytest.mark.parametrize(
    ("text", "columns"), [("สวัสดี", 4), ("น้ำ", 2), ("abc", 3), ("日本", 4), ("", 0)]
)
def test_marks_above_and_below_take_no_column(text: str, columns: int) -> None:
    assert width(text) == columns


def test_lines_break_between_pieces_and_drop_the_space_there() -> None:
    assert fold(["วันนี้", " ", "อากาศ", "ดี"], 5) == ["วันนี้", "อากาศ", "ดี"]
    assert fold(["ab", " ", "cd"], 5) == ["ab cd"]
    assert fold([], 5) == []


def test_a_piece_that_is_too_long_is_broken_where_it_may() -> None:
    assert fold(["กี่กี้กา"], 2) == ["กี่กี้", "กา"]
