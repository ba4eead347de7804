"""How much may come in how much time. Pure: times are seconds of the caller's clock."""

from __future__ import annotations

from typing import Final

SHORTEST_WAIT_S: Final = 1e-6
"""Less is a matter of rounding."""


class TokenBucket:
    """Allows `rate` a second on the average and `burst` at once; a rate of 0 allows anything.

    What comes is spent after it came, so that one large thing may overdraw; then `wait_s` says
    for how long nothing more is to be taken.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._updated_s: float | None = None

    def spend(self, amount: float, now_s: float) -> None:
        """So much came."""
        if self._rate > 0:
            self._refill(now_s)
            self._level -= amount

    def wait_s(self, now_s: float) -> float:
        """Seconds until more may come, 0 if it may now."""
        if self._rate <= 0:
            return 0.0
        self._refill(now_s)
        wait_s = -self._level / self._rate
        return wait_s if wait_s > SHORTEST_WAIT_S else 0.0

    def forgive(self) -> None:
        """What was overdrawn counts no more."""
        self._level = max(0.0, self._level)

    def _refill(self, now_s: float) -> None:
        if self._updated_s is not None:
            passed_s = max(0.0, now_s - self._updated_s)
            self._level = min(self._burst, self._level + passed_s * self._rate)
        self._updated_s = now_s


class AnswerBudget:
    """Which wrong messages are answered one by one; the others are counted."""

    def __init__(self, rate: float, burst: float) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._omitted = 0

    def allows(self, now_s: float) -> bool:
        """Whether one that came now is answered."""
        if self._bucket.wait_s(now_s) > 0:
            self._omitted += 1
            return False
        self._bucket.spend(1, now_s)
        return True

    def take_omitted(self) -> int:
        """How many were not answered since last asked."""
        omitted, self._omitted = self._omitted, 0
        return omitted
