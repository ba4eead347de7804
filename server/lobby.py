"""How many connections may wait to say who they are. Pure."""

from __future__ import annotations

from collections import Counter

from server.access import site_of


class Lobby:
    """Counts them, in all and by address (of IPv6: by /64 network)."""

    def __init__(self, longest: int = 64, per_address: int = 8) -> None:
        self._longest = longest
        self._per_address = per_address
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._waiting.total()

    def enter(self, remote: str) -> bool:
        """Whether one more may wait. Who may must `leave`."""
        site = site_of(remote)
        if len(self) >= self._longest or self._waiting[site] >= self._per_address:
            return False
        self._waiting[site] += 1
        return True

    def leave(self, remote: str) -> None:
        """It waits no more."""
        site = site_of(remote)
        self._waiting[site] -= 1
        if self._waiting[site] <= 0:
            del self._waiting[site]
