"""What a scheduler tells of itself, and how busy its decode workers have been of late. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class SchedulerStats:
    """Counters since start, and what waits now (prepared, not running)."""

    batches: int
    items: int
    failed: int
    dropped: Mapping[str, int]
    """By reason."""
    busy_s: float
    """Sum of the wall time of all decode calls."""
    last_decode_s: float
    waiting_partials: int
    waiting_finals: int
    waiting_audio_s: float
    """In the finals that wait."""
    load: float
    """The share of the workers' time of late that was busy, from 0 to 1."""
    threads_lost: Mapping[str, int]
    """Decode threads that died or hung, by the code of what they did not answer."""


class WorkerLoad:
    """Notes when calls begin and end; times are seconds of one monotonic clock.

    Bound: calls that run, and those that ended within the window.
    """

    def __init__(self) -> None:
        self._running: list[float] = []
        """When each call under way began."""
        self._ended: deque[tuple[float, float]] = deque()
        """Begin and end of calls, in the order in which they ended."""

    def began(self, now_s: float) -> None:
        """A worker began a call."""
        self._running.append(now_s)

    def ended(self, began_s: float, now_s: float) -> None:
        """The call that began at `began_s` is over."""
        self._running.remove(began_s)
        self._ended.append((began_s, now_s))
        self._forget(now_s)

    def share(self, now_s: float, workers: int) -> float:
        """The share, from 0 to 1, of the time of `workers` in the last `WINDOW_S` that was busy."""
        self._forget(now_s)
        if workers == 0:
            return 0.0
        since_s = now_s - WINDOW_S
        busy_s = sum(end_s - max(begin_s, since_s) for begin_s, end_s in self._ended)
        busy_s += sum(now_s - max(begin_s, since_s) for begin_s in self._running)
        return min(1.0, busy_s / (WINDOW_S * workers))

    def _forget(self, now_s: float) -> None:
        while self._ended and self._ended[0][1] <= now_s - WINDOW_S:
            self._ended.popleft()
