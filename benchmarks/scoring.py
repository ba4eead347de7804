"""Character error rate of Thai, with the one normaliser that every figure here uses.

Rules (version 1), applied to reference and hypothesis alike: NFC; zero-width characters dropped;
marks in Thai order, decomposed sara am joined, repeated marks once; Thai digits as Arabic ones;
maiyamok attached and single; white space, punctuation and paiyannoi removed; Latin in lower case.
Numbers are not verbalised and loanwords not transliterated: figures are the raw ones.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from rapidfuzz.distance import Levenshtein

from asr.thai_text import normalise

NORMALISER = "thai-cer-1"

Score: TypeAlias = tuple[int, int]
"""Errors and reference characters of one clip."""

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


def for_scoring(text: str) -> str:
    """The characters that count."""
    text = normalise(text).translate(_THAI_DIGITS).lower()
    return "".join(c for c in text if unicodedata.category(c)[0] not in "ZPSC" and c != "ฯ")


def cer(reference: str, hypothesis: str) -> Score:
    """Character errors (substituted, inserted, deleted) and reference characters."""
    expected = for_scoring(reference)
    return Levenshtein.distance(expected, for_scoring(hypothesis)), len(expected)


def corpus_cer(scores: Sequence[Score]) -> float:
    """Errors of all clips over characters of all clips."""
    return sum(errors for errors, _ in scores) / max(1, sum(length for _, length in scores))


def bootstrap_difference(
    ours: Sequence[Score], theirs: Sequence[Score], *, rounds: int = 10_000, seed: int = 1
) -> tuple[float, float]:
    """95 % interval of the difference of two corpus CERs, clips drawn in pairs.

    The percentile bootstrap of Bisani and Ney, 2004. Raises ValueError for unpaired clips.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} clips against {len(theirs)}")
    lengths = np.array([length for _, length in ours], dtype=np.float64)
    differences = np.array([a[0] - b[0] for a, b in zip(ours, theirs, strict=True)])
    drawn = np.random.default_rng(seed).integers(0, len(ours), size=(rounds, len(ours)))
    points = differences[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    low, high = np.percentile(points, (2.5, 97.5))
    return float(low), float(high)
