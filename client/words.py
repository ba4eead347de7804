"""Words that several views share."""

from __future__ import annotations


def minutes(seconds: float) -> str:
    """A length of time, as in 1:05."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole}:{rest:02}"
