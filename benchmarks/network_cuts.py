"""Whether a transcript survives its network: runs with cuts against one without, to the character.

    python -m benchmarks.network_cuts [--runs 20] [--cut-s 20] [--kind cut|freeze] [--together 4]

Each run is a live speaker (who does not wait) with the project's Python client, over a TCP line
of ours to a server with the real model. `cut` loses the connections and lets none through, so
that both sides know; `freeze` lets no byte through, so that neither does. docs/measurements.md
has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from io import StringIO
from urllib.parse import urlsplit

import numpy as np

from benchmarks.dataset import Pcm16, evaluation_folder, load_clips
from benchmarks.server_process import RunningServer, running_server
from benchmarks.tcp_line import TcpLine, break_lines
from client import AsrConnection, connect
from client.addresses import Addresses
from client.conversation import Conversation
from client.feed import Feed
from client.kept_audio import AudioFormat
from client.resumption import Resumption
from client.view import PlainView

CLIPS_EACH = 3
PAUSE_S = 0.9
BLOCK_SAMPLES = 1_024


@dataclass(slots=True)
class LiveSpeech:
    """Speech that goes on whatever the network does: a source of the client."""

    samples: Pcm16
    name: str = "a live speaker"
    audio_format: AudioFormat = field(default_factory=lambda: AudioFormat(16_000))
    header: bytes = b""
    read_ahead_s: float | None = None
    total_s: float | None = None

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The audio in real time."""
        begun_s = time.monotonic()
        for start in range(0, len(self.samples), BLOCK_SAMPLES):
            yield self.samples[start : start + BLOCK_SAMPLES].tobytes()
            due_s = begun_s + (start + BLOCK_SAMPLES) / 16_000
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one speaker's client made of it."""

    texts: list[str]
    failed: bool
    notes: list[str]


async def speak(
    server: RunningServer, samples: Pcm16, session: str, cut: tuple[float, float, str] | None
) -> Outcome:
    """One speaker; `cut` is when, for how many seconds, and which kind."""
    control, audio = (urlsplit(url).port for url in (server.control_url, server.audio_url))
    assert control is not None
    assert audio is not None
    async with TcpLine(control) as to_control, TcpLine(audio) as to_audio:
        addresses = Addresses(
            f"ws://127.0.0.1:{to_control.port}", f"ws://127.0.0.1:{to_audio.port}"
        )
        resumption = Resumption()

        def connecting(name: str | None) -> AbstractAsyncContextManager[AsrConnection]:
            return connect(addresses, session=name or session, resumption=resumption)

        notes = StringIO()
        view = PlainView(StringIO(), notes)
        conversation = Conversation(connecting, Feed(LiveSpeech(samples)), view)
        breaking = asyncio.create_task(break_lines(cut, (to_control, to_audio)), name="cut")
        try:
            await conversation.hold()
        finally:
            breaking.cancel()
        texts = [final.text for final in conversation.finals]
        return Outcome(texts, conversation.failed, notes.getvalue().splitlines())


def speeches(count: int) -> list[Pcm16]:
    """What is said in each run: some clips with pauses."""
    clips = load_clips(evaluation_folder() / "dev.jsonl")
    pause = np.zeros(round(PAUSE_S * 16_000), np.int16)
    return [
        np.concatenate(
            [
                part
                for clip in (clips[(CLIPS_EACH * run + n) % len(clips)] for n in range(CLIPS_EACH))
                for part in (clip.samples(), pause)
            ]
        )
        for run in range(count)
    ]


async def measure(server: RunningServer, chosen: argparse.Namespace) -> list[str]:
    """Every speech without and with a cut in its midst; a line for each."""
    said = speeches(chosen.runs)
    chance = random.Random(chosen.seed)  # no secret  # nosec B311
    room = asyncio.Semaphore(chosen.together)

    async def both(run: int, samples: Pcm16) -> str:
        length_s = len(samples) / 16_000
        at_s = chance.uniform(0.1, 0.8) * length_s
        async with room:
            whole = await speak(server, samples, f"whole-{run}", None)
            cut = await speak(server, samples, f"cut-{run}", (at_s, chosen.cut_s, chosen.kind))
        same = whole.texts == cut.texts and not cut.failed
        resumed = sum("nothing was lost" in note for note in cut.notes)
        line = (
            f"{run + 1:3d}  {length_s:5.1f} s of speech, {chosen.kind} at {at_s:5.1f} s for "
            f"{chosen.cut_s:g} s: {len(whole.texts)} finals, {len(cut.texts)} with the cut, "
            f"resumed {resumed}x, {'EQUAL' if same else 'DIFFERENT'}"
        )
        print(line, flush=True)
        if not same:
            print(f"     {whole.texts}\n     {cut.texts}\n     {cut.notes}", flush=True)
        return line

    return await asyncio.gather(*(both(run, samples) for run, samples in enumerate(said)))


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--cut-s", type=float, default=20.0)
    parser.add_argument("--kind", choices=("cut", "freeze"), default="cut")
    parser.add_argument("--together", type=int, default=4, help="speakers at the same time")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with running_server(["--model=whisper-base", "--profile=balanced"]) as server:
        lines = asyncio.run(measure(server, chosen))
    equal = sum(line.endswith("EQUAL") for line in lines)
    print(f"equal: {equal} of {len(lines)}; load average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
