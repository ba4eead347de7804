"""Runs of N streams in rows and a table. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.stream_metrics import StreamFigures


@dataclass(frozen=True, slots=True)
class Run:
    """One run of N streams."""

    streams: int
    profile: str
    partial_interval_ms: int
    audio_s: float
    server_cpu_s: float
    generator_cpu_s: float
    peak_rss_mb: float
    load_average: float
    """One-minute average when the run ended, the generator included."""
    counters: dict[str, float]
    """The server's, by how much they grew; latencies as they are at the end."""
    figures: tuple[StreamFigures, ...]

    def _grown(self, counter: str) -> float:
        return self.counters.get(counter, 0.0)

    def summary(self) -> dict[str, float | int | str | None]:
        """The run in one row."""
        clips = [clip for stream_figures in self.figures for clip in stream_figures.clips]
        firsts = [c.first_partial_s for c in clips if c.first_partial_s is not None]
        finals = [c.final_s for c in clips if c.final_s is not None]
        chars = sum(c.reference_chars for c in clips)
        speech_s = sum(c.speech_s for c in clips)
        stable = sum(f.stable_chars for f in self.figures)
        silence_min = sum(f.silence_s for f in self.figures) / 60
        return {
            "profile": self.profile,
            "streams": self.streams,
            "partial_interval_ms": self.partial_interval_ms,
            "clips": len(clips),
            "first_partial_p50_s": _percentile(firsts, 50),
            "first_partial_p95_s": _percentile(firsts, 95),
            "final_p50_s": _percentile(finals, 50),
            "final_p95_s": _percentile(finals, 95),
            "cer": round(sum(c.errors for c in clips) / max(1, chars), 4),
            "cpu_s_per_audio_s": _known(self.server_cpu_s / self.audio_s),
            "generator_cpu_s_per_audio_s": round(self.generator_cpu_s / self.audio_s, 3),
            "peak_rss_mb": _known(self.peak_rss_mb),
            "partials_per_speech_s": round(sum(c.partials for c in clips) / speech_s, 2),
            "flicker": round(sum(c.retracted_chars for c in clips) / max(1, chars), 3),
            "stable_retractions": sum(f.stable_retractions for f in self.figures),
            "stable_error_share": round(
                sum(f.stable_errors for f in self.figures) / max(1, stable), 4
            ),
            "batch_fill": round(
                self._grown("decode_items") / max(1.0, self._grown("decode_batches")), 2
            ),
            "lost": sum(not c.text for c in clips),
            "duplicated": sum(f.duplicated + f.overlapping for f in self.figures),
            "errors": sum(f.failed for f in self.figures),
            "stray_chars_per_silent_min": round(
                sum(f.stray_chars for f in self.figures) / max(0.01, silence_min), 2
            ),
            "loop_lag_p99_ms": self.counters.get("loop_lag_p99_ms"),
            "loop_lag_worst_ms": self.counters.get("loop_lag_worst_ms"),
            "load_average": self.load_average,
        }


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None


def _known(value: float) -> float | None:
    """A figure that only a server on this machine has, else None."""
    return None if math.isnan(value) else round(value, 3)


def table(runs: Sequence[Run]) -> str:
    """Median and range over repeats, one row for each number of streams and profile."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run.profile, run.streams), []).append(run.summary())
    lines = []
    for (profile, streams), rows in groups.items():
        lines.append(f"\n{profile}, {streams} streams, {len(rows)} repeats")
        for name in rows[0]:
            values = [row[name] for row in rows if isinstance(row[name], int | float)]
            if values and name not in ("streams",):
                middle = statistics.median(values)
                lines.append(
                    f"  {name:32} {middle:9.3f}   [{min(values):.3f} .. {max(values):.3f}]"
                )
    return "\n".join(lines)
