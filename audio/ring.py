"""The recent past of one stream by absolute sample position."""

from __future__ import annotations

import numpy as np

from audio.types import SAMPLE_RATE_HZ, PcmBlock, Samples

INITIAL_SAMPLES = 8 * SAMPLE_RATE_HZ


class RollingAudio:
    """Audio from `start_sample` to `end_sample`. Whoever holds it bounds it by `drop_before`.

    Appending and dropping cost the samples they move, amortised; the memory is at most
    twice the audio held at once (not less than 8 s).
    """

    def __init__(self) -> None:
        self._buffer = np.empty(INITIAL_SAMPLES, np.float32)
        self._offset = 0
        """Where in the buffer `start_sample` lies."""
        self._start: int | None = None
        self._count = 0

    @property
    def start_sample(self) -> int:
        """Position of the first sample held."""
        return self._start or 0

    @property
    def end_sample(self) -> int:
        """Position after the last sample held."""
        return self.start_sample + self._count

    def append(self, block: PcmBlock) -> None:
        """Add the block that follows. The first block sets the position.

        Raises ValueError for a gap or an overlap.
        """
        if self._start is None:
            self._start = block.start_sample
        if block.start_sample != self.end_sample:
            raise ValueError(f"audio at {block.start_sample} does not follow {self.end_sample}")
        self._make_room(len(block.samples))
        at = self._offset + self._count
        self._buffer[at : at + len(block.samples)] = block.samples
        self._count += len(block.samples)

    def slice(self, start: int, end: int) -> Samples:
        """A copy of [start, end), contiguous. Raises IndexError if part of it is not held."""
        if not self.start_sample <= start <= end <= self.end_sample:
            held = f"[{self.start_sample}, {self.end_sample})"
            raise IndexError(f"audio [{start}, {end}) is not within {held}")
        first = self._offset + start - self.start_sample
        return self._buffer[first : first + end - start].copy()

    def drop_before(self, sample: int) -> None:
        """Forget what lies before `sample`; a position before the start changes nothing."""
        count = min(max(sample - self.start_sample, 0), self._count)
        if count == 0:
            return
        self._start = self.start_sample + count
        self._offset += count
        self._count -= count

    def _make_room(self, extra: int) -> None:
        if self._offset + self._count + extra <= len(self._buffer):
            return
        # Moving is worth it only if it frees half of the buffer; else each append would move.
        needed = 2 * (self._count + extra)
        target = self._buffer if needed <= len(self._buffer) else np.empty(needed, np.float32)
        target[: self._count] = self._buffer[self._offset : self._offset + self._count]
        self._buffer = target
        self._offset = 0
