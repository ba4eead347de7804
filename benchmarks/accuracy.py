"""Streamed finals against the same model offline, on the same clips in one run.

    python -m benchmarks.accuracy                     every dev clip in real time, profile accurate
    python -m benchmarks.accuracy --profile fast --speed 0
    python -m benchmarks.accuracy --long              the long recording in one stream

Offline is faster-whisper's `transcribe`: beam 5, full file, language th.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.dataset import Clip, evaluation_folder, load_clips
from benchmarks.scoring import bootstrap_difference, cer, corpus_cer
from benchmarks.server_process import RunningServer, running_server
from benchmarks.wire import Exchange, stream

COVERED = 0.9


@dataclass(frozen=True, slots=True)
class Row:
    """One clip's outcome."""

    id: str
    reference: str
    streamed: str
    offline: str
    finals: int
    final_after_speech_s: float


def offline_texts(clips: Sequence[Clip]) -> list[str]:
    """What faster-whisper makes of whole files: beam 5, language th."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  (only this measurement needs it)

    folder = ensure_embedded_model(default_cache_dir())
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
    texts = []
    for clip in clips:
        samples = clip.samples().astype(np.float32) / 32768
        segments, _ = model.transcribe(samples, language="th", beam_size=5)
        texts.append("".join(segment.text for segment in segments))
    return texts


async def stream_clips(
    server: RunningServer, clips: Sequence[Clip], speed: float
) -> list[Exchange]:
    """Each clip alone, one after the other, in a session of its own."""
    exchanges = []
    for clip in clips:
        url = f"{server.audio_url}/?session={clip.id}"
        exchanges.append(await stream(url, clip.samples(), speed=speed))
        sys.stderr.write(f"{clip.id}: {exchanges[-1].text}\n")
    return exchanges


def measure_clips(arguments: argparse.Namespace) -> int:
    """Every dev clip; the exit status is 1 if one gave no final."""
    clips = load_clips(evaluation_folder() / "dev.jsonl")[: arguments.clips]
    with running_server(["--model=whisper-base", f"--profile={arguments.profile}"]) as server:
        exchanges = asyncio.run(stream_clips(server, clips, arguments.speed))
        cpu_s, rss_mb = server.cpu_s(), server.rss_mb()
    rows = [
        Row(
            clip.id,
            clip.text,
            exchange.text,
            offline,
            len(exchange.of_type("final_transcription")),
            round(exchange.events[-1][0] - clip.seconds, 2),
        )
        for clip, exchange, offline in zip(clips, exchanges, offline_texts(clips), strict=True)
    ]
    streamed = [cer(row.reference, row.streamed) for row in rows]
    offline_scores = [cer(row.reference, row.offline) for row in rows]
    low, high = bootstrap_difference(streamed, offline_scores)
    silent = [row.id for row in rows if not row.streamed]
    points = 100 * (corpus_cer(streamed) - corpus_cer(offline_scores))
    offline_cer = corpus_cer(offline_scores)
    print(
        f"profile {arguments.profile}, speed {arguments.speed:g}, {len(rows)} clips, "
        f"{sum(c.seconds for c in clips):.0f} s\n"
        f"CER streamed {corpus_cer(streamed):.3f}, offline beam 5 {offline_cer:.3f}: "
        f"{points:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})\n"
        f"clips without a final: {len(silent)} {silent}\n"
        f"server CPU {cpu_s:.1f} s, RSS {rss_mb:.0f} MB"
    )
    _write(arguments.out, [asdict(row) for row in rows])
    return 1 if silent else 0


def measure_long(arguments: argparse.Namespace) -> int:
    """The long recording in one stream: coverage of its segments, overlaps, CER, memory."""
    clip = load_clips(evaluation_folder() / "long.jsonl")[0]
    rss: list[float] = []
    with running_server(["--model=whisper-base", f"--profile={arguments.profile}"]) as server:
        exchange = asyncio.run(_stream_watching(server, clip, arguments.speed, rss))
    finals = [event for _, event in exchange.of_type("final_transcription")]
    ranges = [(f["start_ms"] / 1000, f["end_ms"] / 1000) for f in finals]
    overlaps = sum(a[1] > b[0] for a, b in itertools.pairwise(ranges))
    worst = min(_covered(s["start"], s["end"], ranges) for s in clip.row["segments"])
    errors, length = cer(clip.text, exchange.text)
    minute = max(1, len(rss) * 60 // max(1, round(clip.seconds)))
    print(
        f"profile {arguments.profile}: {len(finals)} finals over {clip.seconds:.0f} s\n"
        f"least covered segment {100 * worst:.0f} % (bar {100 * COVERED:.0f} %), "
        f"overlapping ranges {overlaps}\n"
        f"CER {errors / length:.3f}\n"
        f"RSS after one minute {rss[minute - 1]:.0f} MB, at the end {rss[-1]:.0f} MB"
    )
    _write(arguments.out, finals)
    return 0 if worst >= COVERED and overlaps == 0 else 1


async def _stream_watching(
    server: RunningServer, clip: Clip, speed: float, rss: list[float]
) -> Exchange:
    async def watch() -> None:
        while True:
            rss.append(server.rss_mb())
            await asyncio.sleep(1.0)

    watcher = asyncio.create_task(watch(), name="memory")
    try:
        return await stream(server.audio_url, clip.samples(), speed=speed)
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


def _covered(start: float, end: float, ranges: Sequence[tuple[float, float]]) -> float:
    inside = sum(max(0.0, min(end, high) - max(start, low)) for low, high in ranges)
    return inside / (end - start)


def _write(path: str | None, rows: object) -> None:
    if path:
        Path(path).write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")


def main() -> int:
    """Parse arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--profile", default="accurate", choices=("fast", "balanced", "accurate"))
    parser.add_argument("--speed", type=float, default=1.0, help="1 is real time, 0 unpaced")
    parser.add_argument("--clips", type=int, default=None, help="only the first N clips")
    parser.add_argument("--long", action="store_true", help="the long recording instead")
    parser.add_argument("--out", help="JSON file for the rows")
    arguments = parser.parse_args()
    return measure_long(arguments) if arguments.long else measure_clips(arguments)


if __name__ == "__main__":
    sys.exit(main())
