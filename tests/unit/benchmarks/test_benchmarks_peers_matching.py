from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.dataset import Clip
from benchmarks.peers.matching import match, owners
from benchmarks.peers.protocol import Text
from benchmarks.stream_metrics import Placed


def placed(*texts: str) -> list[Placed]:
    """Clips of 4 s, voiced from 0.5 to 3.5 s of each, 2.5 s of silence between them."""
    return [
        Placed(
            Clip(f"c{index}", Path(), text, 4.0, {}),
            start_s=at_s,
            end_s=at_s + 4.0,
            first_voice_s=at_s + 0.5,
            last_voice_s=at_s + 3.5,
        )
        for index, text in enumerate(texts)
        for at_s in [6.5 * index]
    ]


def shown(at_s: float, text: str, span: tuple[float, float], key: str = "1") -> Text:
    return Text(at_s, key, text, False, *span)


def final(at_s: float, text: str, span: tuple[float, float], key: str = "1") -> Text:
    return Text(at_s, key, text, True, *span)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0.2, 3.9), {0}),
        ((5.9, 10.5), {1}),  # a pre-roll that reaches into the silence
        ((0.2, 6.2), {0}),  # a range that runs on into the silence
        ((9.5, 12.0), {1}),  # a recording that began late
        ((0.5, 10.0), {0, 1}),  # one text for both
        ((0.5, 8.0), {0}),  # 1 s of the second clip's 3 s of speech
        ((14.0, 14.2), {2}),
        ((900.0, 901.0), {2}),
    ],
)
def test_owners(span: tuple[float, float], expected: set[int]) -> None:
    assert owners(placed("ก", "ข", "ค"), shown(0.0, "x", span)) == expected


def test_the_final_message_counts_where_there_is_one() -> None:
    result = match(
        placed("สวัสดี"),
        [
            shown(1.5, "", (0.5, 1.4)),
            shown(2.0, "สวัส", (0.5, 1.9)),
            shown(3.0, "สวัสดี", (0.5, 2.9)),
            final(4.2, "สวัสดี", (0.5, 3.5)),
        ],
    )
    (clip,) = result.clips
    assert clip.first_text_s == pytest.approx(1.5)
    assert clip.final_s == pytest.approx(0.7)
    assert clip.text == "สวัสดี"
    assert (result.errors, result.reference_chars) == (0, 6)


def test_without_finals_the_last_change_counts() -> None:
    result = match(
        placed("สวัสดี"),
        [
            shown(2.0, "สวัส", (0.5, 1.9)),
            shown(5.0, "สวัสดี", (0.5, 3.4)),
            shown(9.0, "สวัสดี", (0.5, 3.5)),
        ],
    )
    assert result.clips[0].final_s == pytest.approx(1.5)


def test_a_text_that_moves_to_another_key_in_one_message_did_not_change() -> None:
    """As where an open segment is completed."""
    result = match(
        placed("สวัสดี"),
        [
            shown(5.0, "สวัสดี", (0.5, 3.4), key="open"),
            shown(9.0, "สวัสดี", (0.5, 3.4), key="0.500"),
            shown(9.0, "", (0.0, 0.0), key="open"),
        ],
    )
    assert result.clips[0].final_s == pytest.approx(1.5)
    assert result.clips[0].text == "สวัสดี"


def test_the_last_of_two_utterances_ends_a_clip() -> None:
    result = match(
        placed("หนึ่งสอง"),
        [
            final(2.5, "หนึ่ง", (0.5, 1.8), key="1"),
            final(4.5, "สอง", (2.0, 3.5), key="2"),
        ],
    )
    assert result.clips[0].final_s == pytest.approx(1.0)
    assert result.clips[0].text == "หนึ่ง สอง"
    assert result.errors == 0


def test_late_texts_go_to_the_clip_they_are_about() -> None:
    result = match(
        placed("หนึ่ง", "สอง"),
        [
            final(11.0, "หนึ่ง", (0.4, 3.9), key="1"),
            final(16.0, "สอง", (6.8, 10.2), key="2"),
        ],
    )
    assert [clip.text for clip in result.clips] == ["หนึ่ง", "สอง"]
    assert [clip.final_s for clip in result.clips] == pytest.approx([7.5, 6.0])


def test_a_clip_whose_text_was_taken_back_has_none() -> None:
    result = match(
        placed("หนึ่ง", "สอง"),
        [
            shown(2.0, "หนึ่ง", (0.4, 1.9), key="1"),
            final(4.0, "", (0.4, 3.9), key="1"),
            final(11.0, "สอง", (6.8, 10.2), key="2"),
        ],
    )
    lost, kept = result.clips
    assert (lost.first_text_s, lost.final_s, lost.text) == (None, None, "")
    assert kept.text == "สอง"
    assert (result.errors, result.reference_chars) == (5, 8)


def test_errors_do_not_depend_on_the_clip_a_text_went_to() -> None:
    wrongly_placed = [final(12.0, "หนึ่ง สอง", (0.4, 9.9))]
    result = match(placed("หนึ่ง", "สอง"), wrongly_placed)
    assert result.errors == 0
    assert result.text == "หนึ่ง สอง"


def test_nothing_shown() -> None:
    result = match(placed("สวัสดี"), [])
    assert result.clips[0].text == ""
    assert (result.errors, result.reference_chars) == (6, 6)
