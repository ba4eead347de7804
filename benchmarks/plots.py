"""Plots of what the benchmarks measured.

    python -m benchmarks.plots results      draws whatever of streaming.json, batch_curve.json and
                                            peers.json lies in the folder

PNG files of 900 pixels' width; colours are those of Okabe and Ito, which the colour-blind can tell
apart. Points are medians over repeats, bars from the smallest to the largest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Row: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[float, Sequence[float]]
"""What was measured, repeat by repeat, over a quantity."""

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
LINES: Final = ("-", "--", ":", "-.")
DPI: Final = 100
WIDTH_IN: Final = 9.0


def figure(
    rows: int, columns: int, title: str, height_in: float = 4.6
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels."""
    drawing = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    drawing.suptitle(title, fontsize=12)
    axes = [drawing.add_subplot(rows, columns, 1 + index) for index in range(rows * columns)]
    for own in axes:
        own.grid(visible=True, alpha=0.3)
        own.spines[["top", "right"]].set_visible(False)
    return drawing, axes


def line(axes: Axes, values: Values, label: str, style: int, linestyle: str = "-") -> None:
    """Medians over repeats with bars from the smallest to the largest."""
    xs = sorted(x for x, measured in values.items() if measured)
    middle = [statistics.median(values[x]) for x in xs]
    below = [m - min(values[x]) for m, x in zip(middle, xs, strict=True)]
    above = [max(values[x]) - m for m, x in zip(middle, xs, strict=True)]
    axes.errorbar(
        xs,
        middle,
        yerr=[below, above],
        label=label,
        color=COLOURS[style % len(COLOURS)],
        marker=MARKERS[style % len(MARKERS)],
        linestyle=linestyle,
        capsize=3,
    )


def over_streams(rows: Sequence[Row], profile: str, name: str) -> Values:
    """A figure of the summaries of one profile, by number of streams."""
    values: dict[float, list[float]] = {}
    for row in rows:
        summary = row["summary"]
        if summary["profile"] == profile and summary[name] is not None:
            values.setdefault(summary["streams"], []).append(summary[name])
    return values


def profiles(rows: Sequence[Row]) -> list[str]:
    """Profiles in the order in which they were run."""
    return list(dict.fromkeys(row["summary"]["profile"] for row in rows))


def _stream_axis(axes: Axes, rows: Sequence[Row], what: str) -> None:
    counts = sorted({row["summary"]["streams"] for row in rows})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("streams at the same time")
    axes.set_ylabel(what)
    axes.set_ylim(bottom=0)


def plot_latency(rows: Sequence[Row], path: Path) -> None:
    """Final latency over the number of streams: median and 95th percentile of each profile."""
    shown = {"final_p50_s": "median, s", "final_p95_s": "95th percentile, s"}
    _plot_over_streams(rows, path, "Final after the last sound", shown)


def plot_cost(rows: Sequence[Row], path: Path) -> None:
    """Server CPU and partials over the number of streams."""
    shown = {
        "cpu_s_per_audio_s": "server CPU seconds per audio second",
        "partials_per_speech_s": "partials per second of speech",
    }
    _plot_over_streams(rows, path, "Cost and partials", shown)


def _plot_over_streams(rows: Sequence[Row], path: Path, title: str, shown: dict[str, str]) -> None:
    """Two figures of a summary side by side, by name and axis label, a line for each profile."""
    drawing, axes = figure(1, 2, title)
    for own, (name, what) in zip(axes, shown.items(), strict=True):
        for style, profile in enumerate(profiles(rows)):
            line(own, over_streams(rows, profile, name), profile, style)
        _stream_axis(own, rows, what)
    axes[0].legend(title="profile")
    drawing.savefig(path)


def plot_distribution(rows: Sequence[Row], path: Path) -> None:
    """ECDF of the latency of first partials and finals, those that never came left out."""
    drawing, axes = figure(1, 2, "Latency of first partials and finals", height_in=5.2)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        key = (row["summary"]["profile"], row["summary"]["streams"])
        groups.setdefault(key, []).append(row)
    styles = {profile: style for style, profile in enumerate(profiles(rows))}
    dashes = {count: index for index, count in enumerate(sorted({key[1] for key in groups}))}
    names = ("first_partial_s", "final_s")
    labels = ("first partial after speech began, s", "final after the last sound, s")
    for own, name, what in zip(axes, names, labels, strict=True):
        for (profile, streams), runs in groups.items():
            values = clip_values(runs, name)
            if values:
                own.ecdf(
                    values,
                    label=f"{profile}, {streams} stream{'s' if streams > 1 else ''}",
                    color=COLOURS[styles[profile] % len(COLOURS)],
                    linestyle=LINES[dashes[streams] % len(LINES)],
                )
        own.set_xlabel(what)
        own.set_ylabel("share that came by then")
        own.set_ylim(0, 1)
        own.set_xlim(left=min(0, own.get_xlim()[0]))
    most = max(axes, key=lambda own: len(own.lines))
    handles, texts = most.get_legend_handles_labels()
    drawing.legend(handles, texts, loc="outside lower center", ncols=3)
    drawing.savefig(path)


def clip_values(rows: Iterable[Row], name: str) -> list[float]:
    """A figure of every clip of every stream that has it."""
    clips = (clip for row in rows for part in row["run"]["figures"] for clip in part["clips"])
    return [clip[name] for clip in clips if clip[name] is not None]


def plot_batches(curve: Row, path: Path) -> None:
    """CPU and wall time over the batch size, a line for each number of workers and threads."""
    drawing, axes = figure(1, 2, f"Batches: {curve['model']}, {curve['compute_type']}")
    points = [point for point in curve["points"] if point["setting"]["axis"] == "speed"]
    shapes = sorted({_shape(point) for point in points})
    names = ("cpu_s_per_speech_s", "wall_s_per_utterance")
    labels = ("CPU seconds per second of speech", "wall seconds per utterance")
    for own, name, what in zip(axes, names, labels, strict=True):
        for style, shape in enumerate(shapes):
            values = {
                point["setting"]["batch"]: tuple(point[name].values())
                for point in points
                if _shape(point) == shape
            }
            workers, threads = shape
            line(own, values, f"{workers} × {threads}", style)
        sizes = sorted({point["setting"]["batch"] for point in points})
        own.set_xticks(sizes, [str(size) for size in sizes])
        own.set_xlabel("utterances in a decode")
        own.set_ylabel(what)
        own.set_ylim(bottom=0)
    axes[0].legend(title="workers × threads")
    drawing.savefig(path)


def _shape(point: Row) -> tuple[int, int]:
    return point["setting"]["workers"], point["setting"]["threads"]


def plot_margins(curve: Row, path: Path) -> None:
    """CER against CPU: a colour for each beam, a marker for each margin."""
    title = f"Encoder context: {curve['model']}, {curve['compute_type']}"
    drawing, (axes,) = figure(1, 1, title)
    points = [point for point in curve["points"] if point["setting"]["axis"] == "context"]
    margins = list(dict.fromkeys(point["setting"]["margin_ms"] for point in points))
    for style, beam in enumerate(sorted({point["setting"]["beam"] for point in points})):
        own = [point for point in points if point["setting"]["beam"] == beam]
        places = [(p["cpu_s_per_speech_s"]["median"], 100 * p["cer"]) for p in own]
        colour = COLOURS[style % len(COLOURS)]
        axes.plot(*zip(*places, strict=True), color=colour, label=f"beam {beam}")
        for point, (cost, rate) in zip(own, places, strict=True):
            axes.plot(cost, rate, _marker(margins, point), color=colour, markersize=8)
    for margin_ms in margins:
        text = "full window" if margin_ms is None else f"margin {margin_ms} ms"
        marker = _marker(margins, {"setting": {"margin_ms": margin_ms}})
        axes.plot([], [], marker, color="dimgrey", label=text)
    axes.set_xlabel("CPU seconds per second of speech")
    axes.set_ylabel("CER, %")
    axes.set_xlim(left=0)
    axes.legend()
    drawing.savefig(path)


def _marker(margins: Sequence[int | None], point: Row) -> str:
    return MARKERS[margins.index(point["setting"]["margin_ms"]) % len(MARKERS)]


def plot_peers(rows: Sequence[Row], path: Path) -> None:
    """Final latency and CPU of every server, in groups by number of streams."""
    drawing, axes = figure(2, 1, "Against other servers", height_in=6.4)
    peers = list(dict.fromkeys(row["peer"] for row in rows))
    counts = sorted({row["streams"] for row in rows})
    width = 0.8 / len(peers)
    names = ("final_p50_s", "cpu_s_per_audio_s")
    labels = ("median final latency, s", "CPU seconds per audio second")
    for own, name, what in zip(axes, names, labels, strict=True):
        for style, peer in enumerate(peers):
            at = [index + (style - (len(peers) - 1) / 2) * width for index in range(len(counts))]
            measured = [
                [
                    row[name]
                    for row in rows
                    if (row["peer"], row["streams"]) == (peer, count) and row[name] is not None
                ]
                for count in counts
            ]
            heights = [statistics.median(values) if values else 0.0 for values in measured]
            bars = own.bar(at, heights, width, label=peer, color=COLOURS[style % len(COLOURS)])
            texts = [
                f"{h:.2f}" if values else "none"
                for h, values in zip(heights, measured, strict=True)
            ]
            own.bar_label(bars, texts, padding=2, fontsize=8)
        own.set_xticks(np.arange(len(counts)), [str(count) for count in counts])
        own.set_xlabel("streams at the same time")
        own.set_ylabel(what)
        own.grid(visible=False, axis="x")
    handles, texts = axes[0].get_legend_handles_labels()
    drawing.legend(handles, texts, loc="outside lower center", ncols=3)
    drawing.savefig(path)


PLOTS: Final[Mapping[str, Mapping[str, Callable[[Any, Path], None]]]] = {
    "streaming.json": {
        "streaming_latency.png": plot_latency,
        "streaming_distribution.png": plot_distribution,
        "streaming_cost.png": plot_cost,
    },
    "batch_curve.json": {
        "batch_curve_batches.png": plot_batches,
        "batch_curve_margins.png": plot_margins,
    },
    "peers.json": {"peers.png": plot_peers},
}
"""Which plots are made from which file."""


def draw(directory: Path) -> list[Path]:
    """Draw what lies in a folder, into it; the PNG files made. A file without rows makes none."""
    made = []
    for source, drawings in PLOTS.items():
        file = directory / source
        rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        for name, plot in drawings.items() if rows else ():
            plot(rows, directory / name)
            made.append(directory / name)
    return made


def main() -> int:
    """Draw the plots of a folder; the exit status is 1 if there is nothing to draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    made = draw(parser.parse_args().directory)
    for path in made:
        print(path)
    return 0 if made else 1


if __name__ == "__main__":
    sys.exit(main())
