"""How many utterances a batch may hold where memory has run out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

GOOD_BATCHES: Final = 100
"""Batches as large as the limit that must go well before a larger one is tried."""


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """The limit in force, between 1 and `most`."""

    most: int
    now: int
    good: int = 0
    """Batches of that size in a row that went well."""

    @classmethod
    def unlimited(cls, most: int) -> BatchLimit:
        """Before anything failed."""
        return cls(most, most)

    def failed(self, size: int) -> BatchLimit:
        """A batch of `size` found too little memory: half of it is the most from now on."""
        return replace(self, now=max(1, min(self.now, size // 2)), good=0)

    def went_well(self, size: int) -> BatchLimit:
        """A batch of `size` was decoded. A smaller one than the limit says nothing of it."""
        if self.now == self.most or size < self.now:
            return self
        if self.good + 1 < GOOD_BATCHES:
            return replace(self, good=self.good + 1)
        return replace(self, now=min(self.most, 2 * self.now), good=0)
