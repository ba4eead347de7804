"""What switching models costs those who speak: memory, pauses of partials, blocks of the loop.

    python -m benchmarks.model_switches [--switches 20] [--keep-model-s 0] [--other ID]

Whisper base under two names takes over from itself while a person speaks in real time; the same
speech without switches is what it is compared with. `--other` is a model of the catalogue instead
(of `--models-file`), which is fetched and converted meanwhile if it has to be.
docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import websockets

from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.dataset import Pcm16, evaluation_folder, load_clips
from benchmarks.server_process import RunningServer, running_server
from benchmarks.wire import Exchange, stream

BASE, AGAIN = "whisper-base", "again"
EARLY = 4
"""Index of the switch whose memory that of the last is compared with."""

PAUSE_S = 0.8
BETWEEN_S = 2.5
"""From a model that answers to the request for the next."""

CATALOGUE = """\
- {{id: whisper-base, name: Base, repo: openai/whisper-base, format: ct2, embedded: true}}
- {{id: again, name: The same weights, repo: bench/again, format: ct2, path: {path}}}
"""


@dataclass(frozen=True, slots=True)
class Switches:
    """One run: the speaker's events, and the server's memory after each switch."""

    heard: Exchange
    rss_mb: list[float]
    load_s: list[float]
    start_lag_ms: float
    """The worst before anybody spoke."""
    lag_worst_ms: float
    lag_p99_ms: float


def speech(seconds: float) -> Pcm16:
    """Clips with pauses, over and over, for so long."""
    pause = np.zeros(round(PAUSE_S * 16_000), np.int16)
    clips = load_clips(evaluation_folder() / "dev.jsonl")
    once = np.concatenate([part for clip in clips for part in (clip.samples(), pause)])
    wanted = round(seconds * 16_000)
    return np.tile(once, -(-wanted // len(once)))[:wanted]


def longest_pause_s(heard: Exchange) -> float:
    """Between two partials of one utterance."""
    last: dict[int, float] = {}
    pauses = [0.0]
    for at_s, event in heard.of_type("realtime_transcription"):
        utterance = event["utterance_id"]
        if utterance in last:
            pauses.append(at_s - last[utterance])
        last[utterance] = at_s
    return max(pauses)


async def switch(server: RunningServer, count: int, other: str) -> tuple[list[float], list[float]]:
    """Load the models in turn; the memory after each switch, and the seconds of each."""
    rss_mb, load_s = [], []
    for index in range(count):
        await asyncio.sleep(BETWEEN_S)
        begun_s = asyncio.get_running_loop().time()
        model_id = BASE if index % 2 else other
        await ask(server, {"type": "load_model", "model_id": model_id}, "model_loaded")
        load_s.append(asyncio.get_running_loop().time() - begun_s)
        rss_mb.append(server.rss_mb())
    return rss_mb, load_s


async def counters(server: RunningServer) -> dict[str, float]:
    """What the server has counted."""
    statistics = await ask(server, {"type": "get_statistics"}, "statistics")
    counted: dict[str, float] = statistics["counters"]
    return counted


async def ask(server: RunningServer, message: dict[str, Any], answer: str) -> dict[str, Any]:
    """Send a request and wait for its answer. Raises RuntimeError for an error."""
    async with websockets.connect(server.control_url, max_size=None) as socket:
        await socket.send(json.dumps(message))
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == answer:
                return event
            if event["type"] == "error":
                raise RuntimeError(event["message"])


async def run(server: RunningServer, samples: Pcm16, count: int, other: str) -> Switches:
    """Speak in real time while the models take turns."""
    before = await counters(server)
    heard, (rss_mb, load_s) = await asyncio.gather(
        stream(server.audio_url, samples), switch(server, count, other)
    )
    after = await counters(server)
    return Switches(
        heard,
        rss_mb,
        load_s,
        before["loop_lag_worst_ms"],
        after["loop_lag_worst_ms"],
        after["loop_lag_p99_ms"],
    )


def report(before: Switches, after: Switches) -> str:
    """Both runs in words."""
    texts = [
        [event["text"] for _, event in made.heard.of_type("final_transcription")]
        for made in (before, after)
    ]
    troubles = [e for kind in ("error", "gap") for _, e in after.heard.of_type(kind)]
    rss, loads = after.rss_mb, sorted(after.load_s)
    early = rss[: EARLY + 1][-1]
    lines = [
        f"switches {len(rss)}, a load takes {loads[len(loads) // 2]:.2f} s (median), "
        f"{loads[-1]:.2f} s at the most",
        f"finals without / with switches {len(texts[0])} / {len(texts[1])}, "
        f"{'the same texts' if texts[0] == texts[1] else 'OTHER TEXTS'}; "
        f"errors and gaps {len(troubles)}",
        f"longest pause between partials of an utterance: {longest_pause_s(before.heard):.2f} s "
        f"without, {longest_pause_s(after.heard):.2f} s with switches",
        f"memory after switch {min(EARLY + 1, len(rss))}: {early:.0f} MB, after the last: "
        f"{rss[-1]:.0f} MB ({100 * (rss[-1] / early - 1):+.1f} %), peak {max(rss):.0f} MB; "
        + " ".join(f"{each:.0f}" for each in rss),
        f"loop late by {before.lag_worst_ms:.1f} ms at the most without "
        f"({before.start_lag_ms:.1f} before anybody spoke; p99 {before.lag_p99_ms:.1f}), "
        f"{after.lag_worst_ms:.1f} ms with ({after.start_lag_ms:.1f}; p99 {after.lag_p99_ms:.1f})",
        f"load average at the end {os.getloadavg()[0]:.1f}",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=20)
    parser.add_argument("--keep-model-s", type=float, default=0.0)
    parser.add_argument("--other", metavar="ID", default=AGAIN)
    parser.add_argument("--models-file", metavar="FILE", help="for --other; else models.yaml")
    parser.add_argument("--seconds", type=float, help="of speech; else 4 for each switch")
    chosen = parser.parse_args(arguments)
    samples = speech(chosen.seconds or chosen.switches * (BETWEEN_S + 1.5))
    made = []
    with tempfile.TemporaryDirectory() as folder:
        models, config = Path(folder, "models.yaml"), Path(folder, "server.toml")
        path = json.dumps(str(ensure_embedded_model(default_cache_dir())))
        models.write_text(CATALOGUE.format(path=path), encoding="utf-8")
        config.write_text(f"keep_model_s = {chosen.keep_model_s}\n", encoding="utf-8")
        flags = [f"--model={BASE}", "--profile=fast", f"--config={config}"]
        if chosen.other == AGAIN:
            flags.append(f"--models-file={models}")
        elif chosen.models_file:
            flags.append(f"--models-file={chosen.models_file}")
        for count in (0, chosen.switches):
            with running_server(flags) as server:
                made.append(asyncio.run(run(server, samples, count, chosen.other)))
    print(report(*made))


if __name__ == "__main__":
    main(sys.argv[1:])
