"""What it costs to tell many people: eight speakers in one session, with viewers and without.

    python -m benchmarks.broadcast [--viewers 100] [--speakers 8] [--seconds 15] [--rounds 3]

The server has a scripted engine, so nearly all that viewers add is broadcasting. Speakers and
viewers are another process. One frozen viewer more shows whether anybody else waits for it: the
time from a partial's broadcast to a viewer is compared. docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import websockets

from tests.support.running_server import RunningServer, scripted_app, serving
from tests.support.speech import pcm16, spoken

SETTLE_S = 3.0
BLOCK_S = 0.1
EVENTS = ("realtime_transcription", "final_transcription")


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of time."""

    core_share: float
    """CPU seconds of the server a second."""
    messages_per_s: float
    """Transcripts of the session, each counted once."""
    delay_ms: float
    """From a transcript's time stamp to a viewer, median."""


async def speak(url: str, index: int, stop: asyncio.Event) -> None:
    """Talk without a pause, in real time."""
    block_bytes = round(16_000 * BLOCK_S) * 2
    voice = pcm16(spoken(60.0, 200.0 + 11 * index))
    async with websockets.connect(f"{url}/?session=hall", max_size=None) as socket:
        begun_s, sent = time.monotonic(), 0
        while not stop.is_set():
            start = sent * block_bytes % len(voice)
            await socket.send(voice[start : start + block_bytes])
            sent += 1
            await asyncio.sleep(max(0.0, begun_s + sent * BLOCK_S - time.monotonic()))


async def view(url: str, heard: list[float]) -> None:
    """Read everything; the seconds that each transcript took."""
    address = f"{url}/?session=hall&role=viewer"
    async with websockets.connect(address, max_size=None) as socket:
        async for message in socket:
            event = json.loads(message)
            if event["type"] in EVENTS:
                said = datetime.fromisoformat(event["timestamp"]).timestamp()
                heard.append(time.time() - said)


async def swallow(url: str) -> None:
    """Read everything and look at nothing."""
    address = f"{url}/?session=hall&role=viewer"
    async with websockets.connect(address, max_size=None) as socket:
        async for _ in socket:
            pass


async def freeze(url: str, stop: asyncio.Event) -> None:
    """Connect, and read nothing."""
    address = f"{url}/?session=hall&role=viewer"
    async with websockets.connect(address, max_size=None, max_queue=1) as socket:
        socket.transport.pause_reading()
        await stop.wait()
        socket.transport.abort()


async def crowd(url: str, speakers: int, viewers: int, frozen: int) -> None:
    """The clients' process: until standard input ends; then what was heard goes to stdout."""
    stop = asyncio.Event()
    heard: list[float] = []
    tasks = [asyncio.create_task(speak(url, n, stop)) for n in range(speakers)]
    tasks += [asyncio.create_task(freeze(url, stop)) for _ in range(frozen)]
    tasks.append(asyncio.create_task(view(url, heard)))
    tasks += [asyncio.create_task(swallow(url)) for _ in range(viewers - 1)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    heard.clear()
    begun_s = time.monotonic()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    lasted_s = time.monotonic() - begun_s
    delay_ms = 1_000 * statistics.median(heard) if heard else float("nan")
    print(json.dumps({"rate": len(heard) / lasted_s, "delay_ms": delay_ms}), flush=True)
    stop.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def one_round(
    server: RunningServer, chosen: argparse.Namespace, viewers: int, frozen: int
) -> Round:
    """Measure the server for a while. `viewers` counts the one that measures."""
    command = (sys.executable, "-m", "benchmarks.broadcast", "--crowd", server.audio_url)
    numbers = (chosen.speakers, viewers, frozen)
    process = await asyncio.create_subprocess_exec(
        *command, *map(str, numbers), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await asyncio.sleep(SETTLE_S + viewers / 100)
    process.stdin.write(b"begin\n")
    begun_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(chosen.seconds)
    spent_s, lasted_s = time.process_time() - cpu_s, time.monotonic() - begun_s
    process.stdin.write(b"end\n")
    heard = json.loads(await process.stdout.readline())
    process.stdin.close()
    await process.wait()
    return Round(spent_s / lasted_s, heard["rate"], heard["delay_ms"])


async def measure(chosen: argparse.Namespace) -> None:
    """Rounds with one viewer, with all, and with a frozen one more, in turn."""
    kinds = {"one": (1, 0), "all": (chosen.viewers, 0), "frozen": (chosen.viewers, 1)}
    rounds: dict[str, list[Round]] = {kind: [] for kind in kinds}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        changes = {"partial_interval_ms": 500, "max_audio_message_bytes": 1_048_576}
        server = await stack.enter_async_context(serving(scripted_app(Path(folder), None, changes)))
        for _ in range(chosen.rounds):
            for kind, (viewers, frozen) in kinds.items():
                rounds[kind].append(await one_round(server, chosen, viewers, frozen))
    for kind, made in rounds.items():
        shares = [100 * each.core_share for each in made]
        delays = [each.delay_ms for each in made]
        print(
            f"{kind:7s} viewers {kinds[kind][0]:3d}+{kinds[kind][1]}: server "
            f"{statistics.median(shares):.1f} % of a core ({min(shares):.1f}-{max(shares):.1f}), "
            f"{statistics.median(e.messages_per_s for e in made):.1f} transcripts/s, "
            f"delay {statistics.median(delays):.1f} ms ({min(delays):.1f}-{max(delays):.1f})"
        )
    costs = [
        100 * (many.core_share - one.core_share)
        for one, many in zip(rounds["one"], rounds["all"], strict=True)
    ]
    print(
        f"broadcast to {chosen.viewers - 1} more viewers: {statistics.median(costs):.1f} % of a "
        f"core ({min(costs):.1f}-{max(costs):.1f})"
    )


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.crowd:
        url, *numbers = chosen.crowd
        asyncio.run(crowd(url, *map(int, numbers)))
    else:
        asyncio.run(measure(chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
