"""N real-time streams against a server: latency, accuracy, cost and stability of the text.

    python -m benchmarks.streaming                          1, 8 and 16 streams, profile fast
    python -m benchmarks.streaming --streams 1 --profile balanced --repeats 3
    python -m benchmarks.streaming --clips my.jsonl --url ws://host:8766 --control-url ...

100 ms chunks, 2.5 s of silence after each clip. Writes a JSON file and plots to --out. The load
generator's own CPU is reported apart from the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from benchmarks.dataset import Clip, Pcm16, evaluation_folder, load_clips
from benchmarks.server_process import RunningServer, running_server
from benchmarks.stream_metrics import Placed, StreamFigures, figures, voiced_bounds
from benchmarks.wire import Exchange, stream

PAUSE_S = 2.5


@dataclass(frozen=True, slots=True)
class Run:
    """One run of N streams."""

    streams: int
    profile: str
    audio_s: float
    server_cpu_s: float
    generator_cpu_s: float
    peak_rss_mb: float
    load_average: float
    batches: float
    items: float
    partials_dropped: float
    loop_lag_p99_ms: float | None
    figures: tuple[StreamFigures, ...]

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
            "clips": len(clips),
            "first_partial_p50_s": _percentile(firsts, 50),
            "first_partial_p95_s": _percentile(firsts, 95),
            "final_p50_s": _percentile(finals, 50),
            "final_p95_s": _percentile(finals, 95),
            "cer": round(sum(c.errors for c in clips) / max(1, chars), 4),
            "cpu_s_per_audio_s": round(self.server_cpu_s / self.audio_s, 3),
            "generator_cpu_s_per_audio_s": round(self.generator_cpu_s / self.audio_s, 3),
            "peak_rss_mb": round(self.peak_rss_mb),
            "partials_per_speech_s": round(sum(c.partials for c in clips) / speech_s, 2),
            "flicker": round(sum(c.retracted_chars for c in clips) / max(1, chars), 3),
            "stable_retractions": sum(f.stable_retractions for f in self.figures),
            "stable_error_share": round(
                sum(f.stable_errors for f in self.figures) / max(1, stable), 4
            ),
            "batch_fill": round(self.items / max(1.0, self.batches), 2),
            "lost": sum(c.utterances == 0 for c in clips),
            "duplicated": sum(f.duplicated + f.overlapping for f in self.figures),
            "errors": sum(f.failed for f in self.figures),
            "stray_chars_per_silent_min": round(
                sum(f.stray_chars for f in self.figures) / max(0.01, silence_min), 2
            ),
            "loop_lag_p99_ms": self.loop_lag_p99_ms,
            "load_average": self.load_average,
        }


def assemble(clips: Sequence[Clip]) -> tuple[Pcm16, list[Placed]]:
    """One stream's audio: each clip followed by 2.5 s of silence, and where each clip lies."""
    pause = np.zeros(int(PAUSE_S * 16_000), dtype=np.int16)
    pieces: list[Pcm16] = []
    placed: list[Placed] = []
    at_s = 0.0
    for clip in clips:
        samples = clip.samples()
        first, last = voiced_bounds(samples)
        length_s = len(samples) / 16_000
        placed.append(Placed(clip, at_s, at_s + length_s, at_s + first, at_s + last))
        pieces += [samples, pause]
        at_s += length_s + PAUSE_S
    return np.concatenate(pieces), placed


def share(clips: Sequence[Clip], streams: int, per_stream: int) -> list[list[Clip]]:
    """Clips for each stream, taken in turn so that no two streams say the same at once."""
    return [
        [clips[(index * 7 + step * streams + index) % len(clips)] for step in range(per_stream)]
        if streams > 1
        else list(clips[:per_stream])
        for index in range(streams)
    ]


class PeakMemory(threading.Thread):
    """Samples a server's resident memory until stopped."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(name="peak-memory", daemon=True)
        self._server = server
        self._done = threading.Event()
        self.peak_mb = server.rss_mb()

    def run(self) -> None:
        """Sample four times a second."""
        while not self._done.wait(0.25):
            self.peak_mb = max(self.peak_mb, self._server.rss_mb())

    def stop(self) -> float:
        """End sampling; the peak in MB."""
        self._done.set()
        self.join()
        return self.peak_mb


async def run_streams(audio_url: str, audio: Sequence[Pcm16]) -> list[Exchange]:
    """All streams at once, started 100 ms apart over the first second."""

    async def one(index: int, samples: Pcm16) -> Exchange:
        await asyncio.sleep((index * 0.137) % 1.0)
        return await stream(f"{audio_url}/?session=bench-{index}", samples)

    return await asyncio.gather(*(one(i, samples) for i, samples in enumerate(audio)))


async def ask_statistics(control_url: str) -> dict[str, float]:
    """The server's counters."""
    async with websockets.connect(control_url) as socket:
        await socket.send(json.dumps({"type": "get_statistics"}))
        async for message in socket:
            event: dict[str, Any] = json.loads(message)
            if event["type"] == "statistics":
                return dict(event["counters"])
    raise RuntimeError("the server closed without an answer")


def measure(server: RunningServer, streams: int, profile: str, clips: list[list[Clip]]) -> Run:
    """One run against a running server."""
    assembled = [assemble(own) for own in clips]
    before = asyncio.run(ask_statistics(server.control_url))
    cpu_s, own_cpu_s = server.cpu_s(), time.process_time()
    memory = PeakMemory(server)
    memory.start()
    exchanges = asyncio.run(run_streams(server.audio_url, [samples for samples, _ in assembled]))
    peak_mb = memory.stop()
    cpu_s, own_cpu_s = server.cpu_s() - cpu_s, time.process_time() - own_cpu_s
    after = asyncio.run(ask_statistics(server.control_url))
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return Run(
        streams=streams,
        profile=profile,
        audio_s=sum(len(samples) for samples, _ in assembled) / 16_000,
        server_cpu_s=cpu_s,
        generator_cpu_s=own_cpu_s,
        peak_rss_mb=peak_mb,
        load_average=round(os.getloadavg()[0], 2),
        batches=grown.get("decode_batches", 0.0),
        items=grown.get("decode_items", 0.0),
        partials_dropped=grown.get("partials_dropped", 0.0),
        loop_lag_p99_ms=after.get("loop_lag_p99_ms"),
        figures=tuple(
            figures(placed, exchange.events)
            for (_, placed), exchange in zip(assembled, exchanges, strict=True)
        ),
    )


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None


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


def main() -> int:
    """Parse arguments, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 16])
    parser.add_argument("--profile", nargs="+", default=["fast"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--per-stream", type=int, default=None, help="clips in each stream")
    parser.add_argument("--clips", type=Path, default=None, help="jsonl of clips")
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--server-arguments", nargs="*", default=[], help="more for the server")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    clips = load_clips(arguments.clips or evaluation_folder() / "dev.jsonl")
    runs = []
    for profile in arguments.profile:
        for streams in arguments.streams:
            per_stream = arguments.per_stream or (len(clips) if streams == 1 else 8)
            for _ in range(arguments.repeats):
                with ExitStack() as stack:
                    server = stack.enter_context(
                        running_server(
                            [
                                f"--model={arguments.model}",
                                f"--profile={profile}",
                                *arguments.server_arguments,
                            ]
                        )
                    )
                    run = measure(server, streams, profile, share(clips, streams, per_stream))
                runs.append(run)
                sys.stderr.write(json.dumps(run.summary()) + "\n")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [{"summary": run.summary(), "run": asdict(run)} for run in runs]
    (arguments.out / "streaming.json").write_text(
        json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    print(table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
