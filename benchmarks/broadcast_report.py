"""What windows of benchmarks.broadcast say, as text. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import quantile_test

from benchmarks.markdown import markdown

FEWEST_FOR_INTERVAL = 6
"""With fewer differences, no interval holds their median in 95 of 100 cases."""


class Kind(Enum):
    """Who listens in a window."""

    ALONE = "none"
    VIEWERS = "all"
    AGAIN = "all, again"
    """As VIEWERS: how much two windows differ that should not."""
    FROZEN = "all, and frozen ones"


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time."""

    core_share: float
    """CPU seconds of the server a second."""
    messages_per_s: float
    """Transcripts of the session, each counted once."""
    whole_way_ms: tuple[float, ...]
    """From the sending of a partial's last sample to the partial at its speaker, of each."""
    fan_out_ms: tuple[float, ...]
    """From a transcript's time stamp to the viewer that joined last, of each."""
    lag_p99_ms: float
    """How late the server's loop ran."""
    merged: int
    """Partials that a newer one took the place of, for their client had not read."""


Block = dict[Kind, Window]
"""A window of each kind, close in time."""

Figure = Callable[[Window], float]

FIGURES: dict[str, Figure] = {
    "server, % of a core": lambda window: 100 * window.core_share,
    "audio to text, median ms": lambda window: _quantile(window.whole_way_ms, 0.5),
    "audio to text, p95 ms": lambda window: _quantile(window.whole_way_ms, 0.95),
    "stamp to the last viewer, median ms": lambda window: _quantile(window.fan_out_ms, 0.5),
    "loop late, p99 ms": lambda window: window.lag_p99_ms,
}


def report(blocks: Sequence[Block], viewers: int) -> str:
    """Every kind's figures, what viewers cost, and what frozen ones change."""
    head = ("viewers", "transcripts a second", *FIGURES, "partials merged")
    rows = [[kind.value, *_row([block[kind] for block in blocks])] for kind in Kind]
    return "\n".join(
        [
            "Median over windows (quarter to three quarters)",
            markdown(head, rows),
            "",
            "Differences within blocks: median [95 % interval of it]",
            markdown(
                ("what", *FIGURES),
                [
                    _differences("viewers cost", blocks, Kind.ALONE, Kind.VIEWERS),
                    _differences("the same again", blocks, Kind.VIEWERS, Kind.AGAIN),
                    _differences("frozen ones change", blocks, Kind.VIEWERS, Kind.FROZEN),
                ],
            ),
            "",
            f"One message to one viewer: {message_us(blocks, viewers):.0f} us of CPU",
        ]
    )


def message_us(blocks: Sequence[Block], viewers: int) -> float:
    """Median CPU time that a message to one viewer takes, in microseconds."""
    return statistics.median(
        1e6
        * (block[Kind.VIEWERS].core_share - block[Kind.ALONE].core_share)
        / (viewers * block[Kind.VIEWERS].messages_per_s)
        for block in blocks
    )


def difference(blocks: Sequence[Block], figure: Figure, of: Kind, to: Kind) -> list[float]:
    """How much a figure is larger in the second kind of window, of each block."""
    return [figure(block[to]) - figure(block[of]) for block in blocks]


def _differences(name: str, blocks: Sequence[Block], of: Kind, to: Kind) -> list[str]:
    return [name, *(_interval(difference(blocks, each, of, to)) for each in FIGURES.values())]


def _row(windows: Sequence[Window]) -> list[str]:
    figures = [_quarters([figure(window) for window in windows]) for figure in FIGURES.values()]
    rate = statistics.median(window.messages_per_s for window in windows)
    return [f"{rate:.1f}", *figures, str(sum(window.merged for window in windows))]


def _quarters(values: Sequence[float]) -> str:
    if np.isnan(values).any():
        return "-"
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def _interval(values: Sequence[float]) -> str:
    if np.isnan(values).any():
        return "-"
    middle = statistics.median(values)
    if len(values) < FEWEST_FOR_INTERVAL:
        return f"{middle:+.1f}"
    bounds = quantile_test(values, q=0, p=0.5).confidence_interval(0.95)
    return f"{middle:+.1f} [{bounds.low:+.1f} {bounds.high:+.1f}]"


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else float("nan")
