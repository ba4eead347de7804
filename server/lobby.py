"""How many connections may wait to say who they are. Pure."""

from __future__ import annotations

from collections import Counter


class Lobby:
    """Counts them, in all and by address."""

    def __init__(self, longest: int = 64, per_address: int = 8) -> None:
        self._longest = longest
        self._per_address = per_address
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._waiting.total()

    def enter(self, remote: str) -> bool:
        """Whether one more may wait. Who may must `leave`."""
        if len(self) >= self._longest or self._waiting[remote] >= self._per_address:
            return False
        self._waiting[remote] += 1
        return True

    def leave(self, remote: str) -> None:
        """It waits no more."""
        self._waiting[remote] -= 1
        if self._waiting[remote] <= 0:
            del self._waiting[remote]
