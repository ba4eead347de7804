"""Runs in figures, and their table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.peers.matching import StreamTexts

OURS: Final = "ours"


@dataclass(frozen=True, slots=True)
class Run:
    """One server, one number of streams, one repeat. `audio_s` is that of admitted streams.

    CPU seconds are the server's with its children, from the first sample to the end of the last
    stream (see `Streamed`). `refused` and `broken` hold the reasons.
    """

    peer: str
    streams: int
    repeat: int
    audio_s: float
    cpu_s: float
    peak_rss_mb: float
    load_average: float
    refused: tuple[str, ...]
    broken: tuple[str, ...]
    texts: tuple[StreamTexts, ...]

    def summary(self) -> dict[str, float | None]:
        """The run in one row; None where there is nothing to measure."""
        clips = [clip for stream in self.texts for clip in stream.clips]
        firsts = [clip.first_text_s for clip in clips if clip.first_text_s is not None]
        finals = [clip.final_s for clip in clips if clip.final_s is not None]
        chars = sum(stream.reference_chars for stream in self.texts)
        errors = sum(stream.errors for stream in self.texts)
        return {
            "first_p50_s": _percentile(firsts, 50),
            "first_p95_s": _percentile(firsts, 95),
            "final_p50_s": _percentile(finals, 50),
            "final_p95_s": _percentile(finals, 95),
            "cer": round(errors / chars, 4) if chars else None,
            "cpu_s_per_audio_s": round(self.cpu_s / self.audio_s, 4) if self.audio_s else None,
            "peak_rss_mb": round(self.peak_rss_mb),
            "clips": len(clips),
            "no_text": sum(not clip.text for clip in clips),
            "refused": len(self.refused),
            "broken": len(self.broken),
            "load_average": self.load_average,
        }


def cpu_ratios(runs: Sequence[Run], peer: str, streams: int) -> list[float]:
    """Our CPU per audio second over a peer's, repeat by repeat, where both were measured."""
    ours, theirs = (
        {
            run.repeat: run.cpu_s / run.audio_s
            for run in runs
            if run.peer == name and run.streams == streams and run.audio_s and run.cpu_s
        }
        for name in (OURS, peer)
    )
    return [ours[repeat] / theirs[repeat] for repeat in ours if repeat in theirs]


def table(runs: Sequence[Run]) -> str:
    """Median and [lowest .. highest] of the repeats: a row for each peer and number of streams."""
    rows = [[title for title, _, _ in COLUMNS]]
    rows[0] = ["peer", "streams", "repeats", *rows[0], "our CPU / its CPU"]
    for streams in sorted({run.streams for run in runs}):
        for peer in dict.fromkeys(run.peer for run in runs):
            own = [run.summary() for run in runs if (run.peer, run.streams) == (peer, streams)]
            if own:
                cells = [form(row[name] for row in own) for _, name, form in COLUMNS]
                ratio = "" if peer == OURS else _spread(2)(cpu_ratios(runs, peer, streams))
                rows.append([peer, str(streams), str(len(own)), *cells, ratio])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _spread(digits: int) -> Callable[[Iterable[float | None]], str]:
    """Writes the median of values and, in brackets, their range."""

    def write(values: Iterable[float | None]) -> str:
        known = [value for value in values if value is not None]
        if not known:
            return "-"
        middle, low, high = statistics.median(known), min(known), max(known)
        return f"{middle:.{digits}f} [{low:.{digits}f} .. {high:.{digits}f}]"

    return write


def _total(values: Iterable[float | None]) -> str:
    return str(sum(int(value or 0) for value in values))


COLUMNS: Final = (
    ("first p50 s", "first_p50_s", _spread(2)),
    ("final p50 s", "final_p50_s", _spread(2)),
    ("final p95 s", "final_p95_s", _spread(2)),
    ("CER", "cer", _spread(3)),
    ("CPU s / audio s", "cpu_s_per_audio_s", _spread(3)),
    ("RSS MB", "peak_rss_mb", _spread(0)),
    ("clips", "clips", _total),
    ("no text", "no_text", _total),
    ("refused", "refused", _total),
    ("broken", "broken", _total),
)
"""Title, name in a summary, and how repeats are written: median and range, or their sum."""


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None
