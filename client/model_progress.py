"""How far a model is on its way to answering, in words. Pure."""

from __future__ import annotations

from typing import Final

from client.words import minutes
from server.model_messages import ModelPhase, ModelProgress

LINE_EVERY_S: Final = 10.0

PHASES: Final = {
    ModelPhase.DOWNLOADING: "downloading",
    ModelPhase.CONVERTING: "converting",
    ModelPhase.ON_DISK: "on the server's disk now",
    ModelPhase.LOADING: "loading",
    ModelPhase.MEASURING: "trying it out",
    ModelPhase.CANCELLED: "cancelled; what came is kept",
}
"""A failure is told as the error that it is."""

ENDS: Final = (ModelPhase.ON_DISK, ModelPhase.FAILED, ModelPhase.CANCELLED)


def share(event: ModelProgress) -> float | None:
    """How much of it is done, 0 to 1; None where that is not known."""
    if not isinstance(event.total_bytes, int) or not isinstance(event.done_bytes, int):
        return None
    return min(1.0, event.done_bytes / event.total_bytes) if event.total_bytes > 0 else None


def figures(event: ModelProgress) -> list[str]:
    """What is known of it, what matters most first: `375 of 1500 MB`, `12.4 MB/s`, `1:31 left`."""
    known = []
    if isinstance(event.done_bytes, int) and isinstance(event.total_bytes, int):
        known.append(f"{event.done_bytes / 1e6:.0f} of {event.total_bytes / 1e6:.0f} MB")
    if isinstance(event.bytes_per_s, int | float):
        known.append(f"{event.bytes_per_s / 1e6:.1f} MB/s")
    if isinstance(event.left_s, int | float):
        known.append(f"{minutes(event.left_s)} left")
    return known


class ProgressLines:
    """Which progress is worth a line: a phase's beginning, its size, and every LINE_EVERY_S."""

    def __init__(self) -> None:
        self._told: tuple[str, ModelPhase, bool] | None = None
        self._told_s = 0.0

    def line(self, event: ModelProgress, now_s: float) -> str | None:
        """The line, or None where there is nothing new to say."""
        part = share(event)
        news = (event.model_id, event.phase, part is not None)
        if event.phase not in PHASES or (
            news == self._told and (part is None or now_s - self._told_s < LINE_EVERY_S)
        ):
            return None
        self._told, self._told_s = news, now_s
        percent = [] if part is None else [f"{part:.0%}"]
        known = ", ".join(percent + figures(event))
        return f"{event.model_id}: {PHASES[event.phase]}" + (f", {known}" if known else "")
