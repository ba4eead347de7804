"""A sweep's points and the settings that follow, as text. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.curve_points import FULL_WINDOW_MS, Axis, Point, Recommendation, Spread

HEAD = (
    f"{'batch':>5} {'workers':>7} {'threads':>7} {'margin':>6} {'beam':>4}"
    f"  {'CPU s / speech s':>22}  {'wall s / utterance':>22}  {'s / decode':>10}"
    f"  {'RSS MB':>6}  {'CER':>5}  to full window, beam 5 (points)"
)
ENOUGH_UTTERANCES = 30
"""With fewer the intervals of CER differences are wider than the differences looked for."""
LOSS_CER = 0.02

TITLES = {
    Axis.CONTEXT: "Context and beam, one utterance in a decode",
    Axis.SPEED: "Batch, workers and threads, clips of one length",
}


def table(points: Sequence[Point]) -> str:
    """Every point in a line, under its axis. Medians with [lowest .. highest] over repeats."""
    lines = []
    for axis, title in TITLES.items():
        own = [point for point in points if point.setting.axis is axis]
        if own:
            repeats = own[0].repeats
            lines += [
                f"\n{title}; utterances: {own[0].utterances}, repeats: {repeats}",
                HEAD,
                *(_line(point) for point in own),
            ]
    return "\n".join(lines)


def _line(point: Point) -> str:
    setting = point.setting
    margin = "full" if setting.margin_ms is None else str(setting.margin_ms)
    low, high = point.cer_interval
    return (
        f"{setting.batch:5} {setting.workers:7} {setting.threads:7} {margin:>6} {setting.beam:4}"
        f"  {_range(point.cpu_s_per_speech_s):>22}  {_range(point.wall_s_per_utterance):>22}"
        f"  {point.decode_s.median:10.3f}  {point.peak_rss_mb:6.0f}  {point.cer:.3f}"
        f"  {100 * point.cer_difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    )


def _range(value: Spread) -> str:
    if math.isclose(value.low, value.high):
        return f"{value.median:.3f}"
    return f"{value.median:.3f} [{value.low:.3f} .. {value.high:.3f}]"


def advice(model_id: str, margin_ms: int, advised: Recommendation) -> str:
    """The settings to use, as lines for models.yaml and the command line."""
    command = f"python realtime_thai_asr_server.py --model {model_id}"
    if advised.num_workers is not None:
        command += f" --num-workers {advised.num_workers}"
    if advised.batch_size is not None:
        command += f" --batch-size {advised.batch_size}"
    lines = ["\nsettings to use on this machine", f"  start the server with:\n    {command}"]
    if advised.context_margin_ms is not None:
        same = " (as it is)" if advised.context_margin_ms == margin_ms else f" (it is {margin_ms})"
        lines += [
            f"  in models.yaml, in the entry `- id: {model_id}`{same}:",
            f"    context_margin_ms: {advised.context_margin_ms}",
        ]
    for choice in advised.margins:
        loss = "" if choice.loss is None else f", {100 * choice.loss:+.1f} points to the full one"
        what = "full window" if choice.margin_ms == FULL_WINDOW_MS else f"{choice.margin_ms} ms"
        lines.append(f"  smallest good margin with beam {choice.beam}: {what}{loss}")
    return "\n".join(lines + _doubts(advised))


def _doubts(advised: Recommendation) -> list[str]:
    """What speaks against taking a margin over as it is."""
    doubts = []
    if advised.margins and advised.utterances < ENOUGH_UTTERANCES:
        doubts.append(f"  CAUTION: margins by {advised.utterances} utterances are a hint only")
    if any(choice.loss is not None and choice.loss > LOSS_CER for choice in advised.margins):
        doubts.append(
            f"  CAUTION: a margin above loses more than {100 * LOSS_CER:.0f} points against the "
            "full window; a longer one (--margin) may not"
        )
    return doubts
