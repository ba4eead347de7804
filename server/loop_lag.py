"""How late the event loop runs: a blocked loop delays everybody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

INTERVAL_S = 0.02
KEPT = 3_000
"""A minute of readings."""


class LoopLag:
    """Wakes fifty times a second and notes how much too late it was."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._late_s: deque[float] = deque(maxlen=KEPT)
        self.worst_ms = 0.0
        """Since start."""

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due_s = self._clock() + INTERVAL_S
            await asyncio.sleep(INTERVAL_S)
            late_s = max(0.0, self._clock() - due_s)
            self._late_s.append(late_s)
            self.worst_ms = max(self.worst_ms, 1_000 * late_s)

    def percentile_ms(self, share: float) -> float:
        """The lateness in milliseconds that `share` of the last minute's readings stay below."""
        if not self._late_s:
            return 0.0
        ordered = sorted(self._late_s)
        return 1_000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
