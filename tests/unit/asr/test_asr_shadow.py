"""How two models' texts are compared."""

from __future__ import annotations

from asr.shadow import ShadowFigures, ShadowTally


def test_nothing_is_compared_at_first() -> None:
    assert ShadowTally().figures == ShadowFigures(0, 0, 0.0, None, None, 0, 0)


def test_characters_are_compared_and_spaces_are_not() -> None:
    tally = ShadowTally()
    tally.add("สวัสดี ครับ", "สวัสดีครับ", 1.0, 2.0)
    assert (tally.figures.differing, tally.figures.difference) == (0, 0.0)
    tally.add("กขคงจ", "กขคง", 3.0, 4.0)
    tally.add("กขคงจ", "กขคxy", 5.0, 9.0)
    assert tally.figures.differing == 2
    assert tally.figures.difference == (1 + 2) / (10 + 5 + 5)
    assert (tally.figures.current_s, tally.figures.shadow_s) == (3.0, 4.0)


def test_marks_in_another_order_are_no_difference() -> None:
    tally = ShadowTally()
    tally.add("น้ํา", "น้ำ", 1.0, 1.0)
    assert tally.figures.differing == 0


def test_text_where_the_current_model_heard_none_counts() -> None:
    tally = ShadowTally()
    tally.add("", "กข", 1.0, 1.0)
    assert (tally.figures.differing, tally.figures.difference) == (1, 2.0)


def test_what_was_not_decoded_is_counted_apart() -> None:
    tally = ShadowTally()
    tally.skip()
    tally.fail()
    tally.fail()
    assert (tally.figures.utterances, tally.figures.skipped, tally.figures.failed) == (0, 1, 2)
