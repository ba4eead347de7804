from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scoring import Score, bootstrap_difference, cer, corpus_cer, for_scoring

SCORES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("น้ํา", "น้ำ"),  # decomposed sara am, tone first
        ("นํ้า", "น้ำ"),  # decomposed sara am, nikhahit first
        ("เเม่", "แม่"),  # two sara e
        ("กี่่", "กี่"),  # a mark twice
        ("ที่\u200bนี่\ufeff", "ที่นี่"),
        ("ที่ นี่\u00a0\n", "ที่นี่"),
        ("เด็ก ๆ ๆ", "เด็กๆ"),
        ("๑๒๓ และ 45", "123และ45"),
        ("“Deploy”, OK!", "deployok"),
        ("ฯพณฯ", "พณ"),
        ("ราคา ๒,๕๐๐ ฿ (50%)", "ราคา250050"),
        ("นานาาา", "นานาาา"),  # a stutter counts
        ("", ""),
        (" … ", ""),
    ],
)
def test_what_counts(text: str, counted: str) -> None:
    assert for_scoring(text) == counted


@pytest.mark.parametrize(
    ("reference", "hypothesis", "score"),
    [
        ("สวัสดี ครับ", "สวัสดีครับ", (0, 10)),
        ("สวัสดีครับ", "สวัสดีคับ", (1, 10)),
        ("สวัสดีครับ", "", (10, 10)),
        ("", "ครับ", (4, 0)),
        ("บ้าน", "บาน", (1, 4)),  # a tone mark is a character: Thai marks are not stripped
        ("OK", "ok.", (0, 2)),
    ],
)
def test_cer(reference: str, hypothesis: str, score: Score) -> None:
    assert cer(reference, hypothesis) == score


def test_corpus_cer_weighs_by_length() -> None:
    assert corpus_cer([(1, 10), (9, 30)]) == 0.25
    assert corpus_cer([]) == 0.0


@given(SCORES)
def test_a_system_does_not_differ_from_itself(scores: list[Score]) -> None:
    assert bootstrap_difference(scores, scores, rounds=50) == (0.0, 0.0)


def test_the_interval_holds_the_difference_and_is_the_same_each_time() -> None:
    ours = [(errors, 20) for errors in (4, 2, 6, 3, 5, 1, 4, 2)]
    theirs = [(errors, 20) for errors in (5, 4, 6, 5, 7, 2, 6, 3)]
    low, high = bootstrap_difference(ours, theirs, rounds=2_000)
    assert low < corpus_cer(ours) - corpus_cer(theirs) < high < 0.0
    assert bootstrap_difference(ours, theirs, rounds=2_000) == (low, high)
    assert len({bootstrap_difference(ours, theirs, rounds=20, seed=seed) for seed in range(5)}) > 1


def test_clips_are_drawn_in_pairs() -> None:
    """Both systems stumble over the same clips: only the constant difference is left."""
    ours = [(errors, 20) for errors in (0, 19, 3, 11)]
    theirs = [(errors + 1, 20) for errors, _ in ours]
    low, high = bootstrap_difference(ours, theirs, rounds=500)
    assert (low, high) == pytest.approx((-0.05, -0.05))


def test_unpaired_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="2 clips against 1"):
        bootstrap_difference([(1, 2), (1, 2)], [(1, 2)])
