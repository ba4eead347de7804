"""Columns of Thai text, and where it may be cut. Pure."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
WIDE = frozenset("WF")
LEADING_VOWELS = frozenset("เแโใไ")
FOLLOWERS = frozenset("ะาำๅๆฯ")
"""Written after their consonant, on the line; never the first of a line."""


def width(text: str) -> int:
    """Terminal columns of a text: none for Thai vowels and tone marks above and below."""
    return sum(map(_char_width, text))


def may_cut(text: str, position: int) -> bool:
    """Whether a line may end here: not before a mark or vowel, nor behind a leading vowel."""
    if position in (0, len(text)):
        return True
    char = text[position]
    leans_back = char in FOLLOWERS or unicodedata.category(char) in ZERO_WIDTH | {"Mc"}
    return not leans_back and text[position - 1] not in LEADING_VOWELS


def clusters(text: str) -> list[str]:
    """The text in the smallest pieces that it may be cut into. Joined, they are the text."""
    cuts = [position for position in range(len(text) + 1) if may_cut(text, position)]
    return [text[start:end] for start, end in pairwise(cuts)]


def fold(pieces: list[str], columns: int) -> list[str]:
    """Lines of at most so many columns, broken between pieces; inside one that is too long.

    Spaces at a break are dropped.
    """
    lines: list[str] = []
    line = ""
    for piece in _short_pieces(pieces, columns):
        if line and width(line) + width(piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _short_pieces(pieces: list[str], columns: int) -> list[str]:
    short: list[str] = []
    for piece in pieces:
        short += [piece] if width(piece) <= columns else clusters(piece)
    return short


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in WIDE else 1
