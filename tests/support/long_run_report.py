"""What a long run measured, and what it says of the server."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from scipy.stats import theilslopes

SETTLED_S = 600.0
"""Memory of the first ten minutes is that of a start."""

SLOPE_NEEDS_S = 1_200.0
"""A slope in MB an hour means nothing over less."""

MAX_RSS_SLOPE_MB_H = 5.0
POOL_THREADS = 4
"""Of the front end and the features."""

LATENCY_GROWTH = 0.25
LATENCY_GROWTH_S = 0.2


@dataclass(frozen=True, slots=True)
class Counts:
    """What must come back to where it was once nobody is there."""

    tasks: int
    threads: int
    fds: int
    sessions: int
    streams: int
    clients: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment; `final_latency_ms` is its own median, over 50 finals."""

    at_s: float
    rss_mb: float
    counts: Counts
    final_latency_ms: float | None
    loop_lag_p99_ms: float
    idle: bool


@dataclass(frozen=True, slots=True)
class Spoken:
    """One conversation: what the server had made of the same speech alone, and what it made now."""

    at_s: float
    number: int
    cut: str
    expected: list[str]
    heard: list[str]
    failed: bool
    latencies_s: list[float]

    @property
    def lost(self) -> int:
        """Utterances without a final."""
        return max(0, len(self.expected) - len(self.heard))


@dataclass(slots=True)
class LongRun:
    """All of it."""

    minutes: float
    samples: list[Sample] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """One more of something."""
        self.counted[name] = self.counted.get(name, 0) + 1

    @property
    def lost(self) -> int:
        """Utterances without a final, of all conversations."""
        return sum(each.lost for each in self.spoken)

    @property
    def different(self) -> list[Spoken]:
        """Conversations whose texts are not those of the same speech alone."""
        return [each for each in self.spoken if each.heard != each.expected or each.failed]

    @property
    def idle_counts(self) -> list[Counts]:
        """What was there each time that nobody was."""
        return [sample.counts for sample in self.samples if sample.idle]

    @property
    def latency_s(self) -> float:
        """Median over all finals of conversations that were not cut."""
        return statistics.median(self._latencies()[1] or [float("nan")])

    def rss_slope_mb_h(self) -> float | None:
        """Theil-Sen slope of memory after the first ten minutes; None for too short a run."""
        settled = [sample for sample in self.samples if sample.at_s >= SETTLED_S]
        if len(settled) < 2 or settled[-1].at_s - settled[0].at_s < SLOPE_NEEDS_S:
            return None
        return 3_600 * _slope([s.at_s for s in settled], [s.rss_mb for s in settled])

    def latency_growth_s(self) -> float:
        """How much longer finals take at the end than at the beginning, by Theil-Sen."""
        at_s, latencies_s = self._latencies()
        if len(set(at_s)) < 2:
            return 0.0
        return _slope(at_s, latencies_s) * (at_s[-1] - at_s[0])

    def faults(self) -> list[str]:
        """What should not be, in words."""
        found = [
            f"{each.cut} in conversation {each.number}: {each.heard} instead of {each.expected}"
            for each in self.different
        ]
        if not _constant(self.idle_counts):
            found.append(f"counts of an idle server differ: {self.idle_counts}")
        slope = self.rss_slope_mb_h()
        if slope is not None and slope >= MAX_RSS_SLOPE_MB_H:
            found.append(f"memory grows by {slope:.1f} MB an hour")
        growth_s = self.latency_growth_s()
        if slope is not None and growth_s > max(LATENCY_GROWTH_S, LATENCY_GROWTH * self.latency_s):
            found.append(f"finals take {growth_s:.2f} s longer at the end")
        return found

    def write(self, folder: Path) -> None:
        """`long_run.json` and `long_run.md`."""
        folder.mkdir(parents=True, exist_ok=True)
        everything = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / "long_run.json").write_text(everything, encoding="utf-8")
        (folder / "long_run.md").write_text(self.table(), encoding="utf-8")

    def table(self) -> str:
        """The run in a table, for docs/measurements.md."""
        slope = self.rss_slope_mb_h()
        rss = [sample.rss_mb for sample in self.samples] or [float("nan")]
        finals = sum(len(each.heard) for each in self.spoken)
        cuts = sum(each.cut != "whole" for each in self.spoken)
        rows = {
            "minutes": f"{self.minutes:g}",
            "conversations, of them over a cut line": f"{len(self.spoken)}, {cuts}",
            "utterances said / finals / lost": (
                f"{sum(len(each.expected) for each in self.spoken)} / {finals} / {self.lost}"
            ),
            "conversations whose text differs from that of the same speech alone": str(
                len(self.different)
            ),
            "memory at the first, at the last minute, at the most": (
                f"{rss[0]:.0f}, {rss[-1]:.0f}, {max(rss):.0f} MB"
            ),
            "slope of memory after ten minutes (Theil-Sen)": (
                "too short a run" if slope is None else f"{slope:+.2f} MB an hour"
            ),
            "final after the last sound, median; change over the run": (
                f"{self.latency_s:.2f} s; {self.latency_growth_s():+.2f} s"
            ),
            "tasks, threads, descriptors, sessions, streams, clients each time it was idle": (
                "; ".join(
                    f"{c.tasks}, {c.threads}, {c.fds}, {c.sessions}, {c.streams}, {c.clients}"
                    for c in self.idle_counts
                )
            ),
            **{name: str(count) for name, count in sorted(self.counted.items())},
        }
        lines = ["| what | figure |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items())]
        return "\n".join([*lines, ""])

    def _latencies(self) -> tuple[list[float], list[float]]:
        pairs = [
            (each.at_s, latency_s)
            for each in self.spoken
            if each.cut == "whole"
            for latency_s in each.latencies_s
        ]
        return [at_s for at_s, _ in pairs], [latency_s for _, latency_s in pairs]


def _constant(counts: Sequence[Counts]) -> bool:
    """Whether nothing is left behind. Pools begin their threads one by one, as work needs them."""
    if not counts:
        return False
    threads = [each.threads for each in counts]
    others = {replace(each, threads=0) for each in counts}
    grown = max(threads) - min(threads)
    return len(others) == 1 and grown <= POOL_THREADS and threads[len(threads) // 2] == threads[-1]


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    return float(theilslopes(y, x)[0])
