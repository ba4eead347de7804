"""From a start on a machine without any model to the first text.

    python -m benchmarks.first_start [--runs 3]

Caches are empty and there is no hub, as at the first start of somebody whose line is slow: the
built-in model is made ready and answers. docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.dataset import Pcm16, evaluation_folder, load_clips
from benchmarks.server_process import running_server
from benchmarks.wire import stream

TAIL_S = 1.5
NOWHERE = "http://127.0.0.1:9"
"""Refuses every connection."""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process; the speech begins when the ports are open."""

    ports_s: float
    first_partial_s: float
    first_final_s: float


def start(samples: Pcm16) -> Start:
    """One start with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "HF_HOME": str(Path(folder, "hub")),
            "HF_ENDPOINT": NOWHERE,
            "THAI_ASR_CACHE_DIR": str(Path(folder, "cache")),
        }
        begun_s = time.monotonic()
        with running_server() as server:
            ports_s = time.monotonic() - begun_s
            heard = asyncio.run(stream(server.audio_url, samples))
    before_s = heard.started_s - begun_s
    return Start(
        ports_s,
        before_s + heard.of_type("realtime_transcription")[0][0],
        before_s + heard.of_type("final_transcription")[0][0],
    )


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args(arguments).runs
    clip = load_clips(evaluation_folder() / "dev.jsonl")[0]
    samples = np.concatenate([clip.samples(), np.zeros(round(TAIL_S * 16_000), np.int16)])
    made = [start(samples) for _ in range(runs)]
    for what, seconds in (
        ("ports open", [each.ports_s for each in made]),
        (f"first partial ({clip.seconds:.1f} s are said)", [each.first_partial_s for each in made]),
        ("first final", [each.first_final_s for each in made]),
    ):
        low, high = min(seconds), max(seconds)
        print(f"{what}: {statistics.median(seconds):.1f} s ({low:.1f} to {high:.1f})")
    print(f"load average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
