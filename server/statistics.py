"""Counters since start, for `get_statistics`."""

from __future__ import annotations

from collections import defaultdict


class ServerStatistics:
    """Named counters; the loop's thread is the only writer."""

    def __init__(self) -> None:
        self._counters: defaultdict[str, float] = defaultdict(float)

    def add(self, name: str, amount: float = 1) -> None:
        """Count something. Names end in their unit where they have one."""
        self._counters[name] += amount

    def snapshot(self) -> dict[str, float]:
        """All counters, sorted by name."""
        return {name: round(value, 3) for name, value in sorted(self._counters.items())}
