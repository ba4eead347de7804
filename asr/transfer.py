"""How far bytes on their way have come, at what rate. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

RATE_WINDOW_S: Final = 5.0
"""The rate is of this long: a line that stalls shows within it."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far it has come. None is not known (yet)."""

    done_bytes: int
    total_bytes: int | None = None
    bytes_per_s: float | None = None
    left_s: float | None = None


class TransferMeter:
    """Positions with their times in, rate and rest out.

    `done_bytes` may start above 0 (what an earlier try brought): the rate counts what comes.
    """

    def __init__(self, done_bytes: int, total_bytes: int | None, now_s: float) -> None:
        self._total_bytes = total_bytes
        self._seen: deque[tuple[float, int]] = deque([(now_s, done_bytes)])

    def at(self, done_bytes: int, now_s: float) -> Transfer:
        """The state at this position. Times do not go back; positions may (a restarted file)."""
        self._seen.append((now_s, done_bytes))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - RATE_WINDOW_S:
            self._seen.popleft()
        since_s, from_bytes = self._seen[0]
        if now_s <= since_s:
            return Transfer(done_bytes, self._total_bytes)
        rate = max(0, done_bytes - from_bytes) / (now_s - since_s)
        left_s = None
        if self._total_bytes is not None and rate > 0:
            left_s = max(0, self._total_bytes - done_bytes) / rate
        return Transfer(done_bytes, self._total_bytes, rate, left_s)
