"""How long listeners wait for finals: from the utterance's last audio sample received. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from statistics import median
from typing import Final

from audio.types import ms_to_samples

KEPT_FINALS: Final = 50

NOTE_EVERY_SAMPLES: Final = ms_to_samples(50)
KEPT_NOTES: Final = 1_200
"""At least a minute of audio."""


class Receipts:
    """When each part of one connection's audio was received.

    Positions are samples of the stream's own 16 kHz clock, times seconds of a monotonic clock.
    Bound: `KEPT_NOTES`, the oldest go.
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[int, float]] = deque(maxlen=KEPT_NOTES)
        """Audio up to this position was there at this time; both only grow."""

    def note(self, position_samples: int, received_s: float) -> None:
        """The audio up to here has been received."""
        notes = self._notes
        if notes and position_samples <= notes[-1][0]:
            return
        if len(notes) > 1 and notes[-1][0] - notes[-2][0] < NOTE_EVERY_SAMPLES:
            notes.pop()  # small messages: one note for 50 ms or more of them
        notes.append((position_samples, received_s))

    def received_s(self, end_sample: int) -> float:
        """When the audio before `end_sample` was all there, within 50 ms.

        What is too old to be known is taken as received with the oldest audio that is. Raises
        IndexError before the first note.
        """
        index = bisect_left(self._notes, end_sample, key=lambda note: note[0])
        return self._notes[min(index, len(self._notes) - 1)][1]


class FinalLatencies:
    """The latest finals' latencies, of the whole server."""

    def __init__(self) -> None:
        self._latest_s: deque[float] = deque(maxlen=KEPT_FINALS)

    def add(self, latency_s: float) -> None:
        """A final was sent this long after its utterance's last sample had been received."""
        self._latest_s.append(latency_s)

    def median_ms(self) -> int | None:
        """The median of the last `KEPT_FINALS` in milliseconds, None before the first."""
        return round(1_000 * median(self._latest_s)) if self._latest_s else None
