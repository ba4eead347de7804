"""How two models differ on the same utterances. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from asr.thai_text import normalise


@dataclass(frozen=True, slots=True)
class ShadowFigures:
    """Of one run so far. `difference` is no error rate: nobody knows which of the two is right."""

    utterances: int
    """Decoded by both."""
    differing: int
    """Of these, with another text."""
    difference: float
    """Characters to change in the current model's texts to get the other's, over their length.
    Spaces do not count: models put them where they like."""
    current_s: float | None
    """Median seconds of a decode; None before the first."""
    shadow_s: float | None
    skipped: int
    """Utterances that only the current model decoded, because the other had too much to do."""
    failed: int
    """Decodes of the other model that failed."""


class ShadowTally:
    """Adds up what both models made of utterances."""

    def __init__(self) -> None:
        self._differing = 0
        self._edits = 0
        self._characters = 0
        self._current_s: list[float] = []
        self._shadow_s: list[float] = []
        self._skipped = 0
        self._failed = 0

    def add(self, current: str, shadow: str, current_s: float, shadow_s: float) -> None:
        """Both decoded an utterance, in so many seconds."""
        expected, other = _compared(current), _compared(shadow)
        edits = Levenshtein.distance(expected, other)
        self._differing += edits > 0
        self._edits += edits
        self._characters += len(expected)
        self._current_s.append(current_s)
        self._shadow_s.append(shadow_s)

    def skip(self) -> None:
        """The other model had too much to do."""
        self._skipped += 1

    def fail(self) -> None:
        """The other model's decode failed."""
        self._failed += 1

    @property
    def figures(self) -> ShadowFigures:
        """The sums."""
        return ShadowFigures(
            utterances=len(self._current_s),
            differing=self._differing,
            difference=self._edits / max(1, self._characters),
            current_s=statistics.median(self._current_s) if self._current_s else None,
            shadow_s=statistics.median(self._shadow_s) if self._shadow_s else None,
            skipped=self._skipped,
            failed=self._failed,
        )


def _compared(text: str) -> str:
    return "".join(normalise(text).lower().split())
