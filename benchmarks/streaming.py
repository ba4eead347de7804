"""N real-time streams against a server: latency, accuracy, cost and stability of the text.

    python -m benchmarks.streaming                          1, 8 and 16 streams, profile fast
    python -m benchmarks.streaming --streams 1 --profile balanced --repeats 3
    python -m benchmarks.streaming --control-url ws://127.0.0.1:8765 --audio-url
        ws://127.0.0.1:8766 --pid 4711 --clips my.jsonl     a server that runs already

Without URLs each run gets a server of its own, from this checkout. 100 ms chunks, 2.5 s of silence
after each clip. Prints a table (median and range over repeats), writes streaming.json and plots to
--out. The load generator's own CPU is reported apart from the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import websockets

from benchmarks.dataset import Clip, Pcm16, evaluation_folder, load_clips
from benchmarks.plots import draw
from benchmarks.server_process import RunningServer, running_server
from benchmarks.stream_metrics import Placed, figures, voiced_bounds
from benchmarks.stream_runs import Run, table
from benchmarks.wire import Exchange, stream

PAUSE_S = 2.5


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
    """Clips for each stream: of several, no two say the same at once; one gets a sample of all."""
    return [
        [clips[(index + step * streams) % len(clips)] for step in range(per_stream)]
        if streams > 1
        else [clips[step * len(clips) // per_stream] for step in range(per_stream)]
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


async def ask(control_url: str, request: str, answer: str) -> dict[str, Any]:
    """A request on the control port, and its answer."""
    async with websockets.connect(control_url) as socket:
        await socket.send(json.dumps({"type": request}))
        async for message in socket:
            event: dict[str, Any] = json.loads(message)
            if event["type"] == answer:
                return event
    raise RuntimeError("the server closed without an answer")


async def ask_statistics(control_url: str) -> dict[str, float]:
    """The server's counters."""
    return dict((await ask(control_url, "get_statistics", "statistics"))["counters"])


def measure(server: RunningServer, streams: int, clips: list[list[Clip]]) -> Run:
    """One run against a running server."""
    assembled = [assemble(own) for own in clips]
    status = asyncio.run(ask(server.control_url, "get_status", "server_status"))
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
        profile=str(status["profile"]),
        partial_interval_ms=int(status["partial_interval_ms"]),
        audio_s=sum(len(samples) for samples, _ in assembled) / 16_000,
        server_cpu_s=cpu_s,
        generator_cpu_s=own_cpu_s,
        peak_rss_mb=peak_mb,
        load_average=round(os.getloadavg()[0], 2),
        counters=grown | {name: after[name] for name in after if name.startswith("loop_lag")},
        figures=tuple(
            figures(placed, exchange.events)
            for (_, placed), exchange in zip(assembled, exchanges, strict=True)
        ),
    )


@contextmanager
def server_for(arguments: argparse.Namespace, profile: str) -> Iterator[RunningServer]:
    """The server that was named, or one of its own."""
    if arguments.audio_url:
        process = psutil.Process(arguments.pid) if arguments.pid else None
        yield RunningServer(process, arguments.control_url, arguments.audio_url)
        return
    options = [f"--model={arguments.model}", f"--profile={profile}", *arguments.server_arguments]
    with running_server(options) as server:
        yield server


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
    parser.add_argument("--control-url", help="of a server that runs already")
    parser.add_argument("--audio-url", help="of a server that runs already")
    parser.add_argument("--pid", type=int, help="its process, for CPU and memory")
    parser.add_argument("--server-arguments", nargs="*", default=[], help="more for the server")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    if bool(arguments.audio_url) != bool(arguments.control_url):
        parser.error("a server that runs already has a --control-url and an --audio-url")
    clips = load_clips(arguments.clips or evaluation_folder() / "dev.jsonl")
    runs = []
    for profile in arguments.profile:
        for streams in arguments.streams:
            per_stream = arguments.per_stream or (12 if streams == 1 else 8)
            for _ in range(arguments.repeats):
                with server_for(arguments, profile) as server:
                    run = measure(server, streams, share(clips, streams, per_stream))
                runs.append(run)
                sys.stderr.write(json.dumps(run.summary()) + "\n")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [{"summary": run.summary(), "run": asdict(run)} for run in runs]
    (arguments.out / "streaming.json").write_text(
        json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    draw(arguments.out)
    print(table(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
