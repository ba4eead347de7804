"""What holds for any text: repair is idempotent, cuts are safe, pieces join to the whole."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from asr.thai_text import clusters, is_loop, leans_back, normalise, safe_boundary, spoken

THAI = st.characters(min_codepoint=0x0E01, max_codepoint=0x0E5B)
MARKS = st.sampled_from("ัิีืุู่้๊์ํฺ็าำะๅๆ")
ODD = st.sampled_from("\u200b\ufffd\u00a0 \ne\u0301aB1,.\U0001f600\u0302")
TEXT = st.lists(st.one_of(THAI, MARKS, ODD), max_size=40).map("".join)


@given(TEXT)
def test_normalise_is_idempotent_and_nfc(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\ufffd" not in once
    assert "\u200b" not in once
    assert once == once.strip()
    assert "  " not in once


@given(TEXT)
def test_normalise_invents_no_consonant_and_loses_none(text: str) -> None:
    def consonants(value: str) -> list[str]:
        return [character for character in value if "ก" <= character <= "ฮ"]

    assert consonants(normalise(text)) == consonants(text)


@given(TEXT, st.integers(-3, 45))
def test_a_safe_boundary_never_splits_a_cluster(text: str, end: int) -> None:
    cut = safe_boundary(text, end)
    assert 0 <= cut <= max(0, min(end, len(text)))
    if 0 < cut < len(text):
        assert not leans_back(text[cut])
    if cut:
        assert text[cut - 1] not in "เแโใไ"


@given(TEXT)
def test_clusters_join_to_the_text_and_meet_every_boundary(text: str) -> None:
    pieces = clusters(text)
    assert "".join(pieces) == text
    assert all(pieces)
    position = 0
    for piece in pieces[:-1]:
        position += len(piece)
        assert safe_boundary(text, position) == position


@given(TEXT.filter(lambda text: any("ก" <= c <= "ฮ" for c in text)))
def test_enough_repetition_is_always_a_loop(text: str) -> None:
    unit = normalise("ก" + spoken(text))
    if len(clusters(unit)) <= 30:
        assert is_loop(unit * 6)
