"""Words that are likely to be said, as a model is told of them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from asr.thai_text import normalise, spoken

LONGEST: Final = 200
"""Characters. Whisper's context holds no more Thai beside the longest text it may write."""

_SEPARATORS: Final = re.compile(r"[,;|<>\[\]{}\s]+")
"""Words are told apart by spaces: Whisper takes commas for a style of writing. What its special
tokens are written with is no part of a word."""


def tidy(text: str) -> str:
    """A glossary as a model takes it: repaired words with single spaces, nothing invisible."""
    words = _SEPARATORS.sub(" ", text)
    return normalise("".join(c for c in words if not unicodedata.category(c).startswith("C")))


def is_echo(text: str, glossary: str) -> bool:
    """Whether the whole of `text` is a part of a glossary, or some of its words in any order.

    Spaces, punctuation and case aside. Nothing is no echo.
    """
    said = spoken(text)
    if not said:
        return False
    if said in spoken(glossary):
        return True
    words = {word for word in map(spoken, glossary.split()) if word}
    ends = {0}
    for end in range(1, len(said) + 1):
        if any(said.endswith(word, 0, end) and end - len(word) in ends for word in words):
            ends.add(end)
    return len(said) in ends
