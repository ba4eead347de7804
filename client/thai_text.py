"""Columns of Thai text, and lines of so many. Pure."""

from __future__ import annotations

import unicodedata

from asr.thai_text import clusters

ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
WIDE = frozenset("WF")


def width(text: str) -> int:
    """Terminal columns of a text: none for Thai vowels and tone marks above and below."""
    return sum(map(_char_width, text))


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
