"""Output that is the sign of broken arithmetic, and the types to compute in instead. Pure.

Where float16 overflows, all probabilities become NaN and the first token of the vocabulary, an
exclamation mark, wins every step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Final

from asr.types import Hypothesis

_ONLY_MARKS: Final = re.compile(r"(?:!\s*){4,}")

_NEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "float16": ("bfloat16", "float32", "int8_float32"),
    "int8_float16": ("int8_bfloat16", "int8_float32", "float32"),
    "bfloat16": ("float32", "int8_float32"),
    "int8_bfloat16": ("int8_float32", "float32"),
}


def next_compute_type(current: str, supported: Collection[str]) -> str | None:
    """The type to try after one whose output was broken; None where no other can help."""
    return next((kind for kind in _NEXT.get(current, ()) if kind in supported), None)


def is_degenerate(hypothesis: Hypothesis, compute_type: str) -> bool:
    """Whether no working arithmetic says this: no finite probability, or "!!!!" alone.

    In full precision nothing overflows, and marks are what the model heard.
    """
    if not math.isfinite(hypothesis.avg_logprob):
        return True
    return compute_type in _NEXT and _ONLY_MARKS.fullmatch(hypothesis.text.strip()) is not None
