"""Words that are likely to be said, as a model is told of them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from asr.thai_text import normalise, spoken

LONGEST: Final = 200
"""Characters. Whisper's context holds no more Thai beside the longest text it may write."""

_SEPARATORS: Final = re.compile(r"[,;|<>\[\]{}\s]+")
"""Words are told apart by spaces: Whisper takes commas for a style of writing. What its special
tokens are written with is no part of a word."""
_MOSTLY: Final = 0.5
_MANY: Final = 4
"""Words of the glossary that are too many for a text of little else."""


def tidy(text: str) -> str:
    """A glossary as a model takes it: repaired words with single spaces, nothing invisible."""
    words = _SEPARATORS.sub(" ", text)
    return normalise("".join(c for c in words if not unicodedata.category(c).startswith("C")))


def is_babble(text: str, glossary: str) -> bool:
    """Whether `text` is mostly words of a glossary, and many of them.

    So Whisper base answers noise once it was given a glossary, with other syllables in between.
    A person who reads out a list says that, too.
    """
    said = _words_said(text, glossary)
    return said.share >= _MOSTLY and said.words >= _MANY


def is_echo(text: str, glossary: str) -> bool:
    """Whether `text` is mostly words of a glossary, or a part of it. Nothing is no echo.

    Spaces, punctuation and case aside.
    """
    spoken_text = spoken(text)
    if not spoken_text:
        return False
    return spoken_text in spoken(glossary) or _words_said(text, glossary).share >= _MOSTLY


class _WordsSaid(NamedTuple):
    """How many words of a glossary stand in a text, and their share of its characters, 0 to 1."""

    words: int
    share: float


def _words_said(text: str, glossary: str) -> _WordsSaid:
    words = sorted({word for word in map(spoken, glossary.split()) if word}, key=len, reverse=True)
    said = spoken(text)
    if not words or not said:
        return _WordsSaid(0, 0.0)
    found = re.findall("|".join(map(re.escape, words)), said)
    return _WordsSaid(len(found), sum(map(len, found)) / len(said))
