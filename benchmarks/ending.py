"""How a server with the real model ends while people speak: SIGTERM, seconds, finals and gaps.

    python -m benchmarks.ending [--speakers 1,4,8] [--file] [--talk-s 15] [-- SERVER ARGUMENTS]

Each speaker sends Thai speech in real time; `--file` adds one that sends a recording as fast as it
is taken. `lost s` is accepted audio in gaps; what nobody told of is looked for in
tests/integration/test_shutdown.py. docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import websockets

from benchmarks.dataset import evaluation_folder, load_clips
from benchmarks.server_process import RunningServer, running_server

BLOCK_S = 0.1
PAUSE_S = 0.7
FILE_BLOCK_BYTES = 65_536


@dataclass(slots=True)
class Talk:
    """What one client heard."""

    events: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Events of a type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def late_finals(self) -> int:
        """Finals that came after the server said that it ends."""
        kinds = [event["type"] for event in self.events]
        if "server_shutdown" not in kinds:
            return 0
        return kinds[kinds.index("server_shutdown") :].count("final_transcription")

    @property
    def lost_s(self) -> float:
        """Of accepted audio, in gaps."""
        gaps = self.of("gap")
        return float(sum(g["end_ms"] - g["start_ms"] for g in gaps if "end_ms" in g) / 1000)


@dataclass(frozen=True, slots=True)
class Ending:
    """One run."""

    exit_s: float
    status: int | None
    talks: tuple[Talk, ...]

    def row(self, title: str) -> str:
        """The run in a line of a table."""
        finals = sum(len(talk.of("final_transcription")) for talk in self.talks)
        late = sum(talk.late_finals for talk in self.talks)
        gaps = sum(len([g for g in talk.of("gap") if "end_ms" in g]) for talk in self.talks)
        lost_s = sum(talk.lost_s for talk in self.talks)
        codes = sorted({str(talk.close_code) for talk in self.talks})
        return (
            f"| {title} | {self.exit_s:.1f} | {self.status} | {finals} | {late} | {gaps} | "
            f"{lost_s:.1f} | {', '.join(codes)} |"
        )


def speech(first: int, seconds: float) -> bytes:
    """Clips with pauses, beginning with another one for each speaker."""
    clips = load_clips(evaluation_folder() / "dev.jsonl")
    made = bytearray()
    while len(made) < 32_000 * seconds:
        made += clips[first % len(clips)].samples().tobytes() + bytes(int(32_000 * PAUSE_S))
        first += 1
    return bytes(made)


async def _talk(url: str, session: str, audio: bytes, *, paced: bool) -> Talk:
    talk = Talk()
    query = f"{url}/?session={session}&events=all"
    async with websockets.connect(query, max_size=None, ping_interval=None) as socket:
        sending = asyncio.create_task(_send(socket, audio, paced=paced))
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in socket:
                talk.events.append(json.loads(message))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        talk.close_code = socket.close_code
    return talk


async def _send(socket: websockets.ClientConnection, audio: bytes, *, paced: bool) -> None:
    size = int(32_000 * BLOCK_S) if paced else FILE_BLOCK_BYTES
    began_s = time.monotonic()
    with contextlib.suppress(websockets.ConnectionClosed):
        for number, start in enumerate(range(0, len(audio), size), start=1):
            await socket.send(audio[start : start + size])
            if paced:
                await asyncio.sleep(max(0.0, began_s + number * BLOCK_S - time.monotonic()))


async def end(server: RunningServer, speakers: int, talk_s: float, *, file: bool) -> Ending:
    """Have them speak for `talk_s`, then end the server."""
    url, process = server.audio_url, server.process
    assert process is not None
    talking = [
        asyncio.create_task(_talk(url, f"s{i}", speech(5 * i, talk_s + 30), paced=True))
        for i in range(speakers)
    ]
    if file:
        talking.append(asyncio.create_task(_talk(url, "file", speech(3, 1_800), paced=False)))
    await asyncio.sleep(talk_s)
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    status = await asyncio.to_thread(_wait, process)
    exit_s = time.monotonic() - began_s
    return Ending(exit_s, status, tuple(await asyncio.gather(*talking)))


def _wait(process: psutil.Process) -> int | None:
    status: int | None = process.wait(60)
    return status


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", default="1,4,8")
    parser.add_argument("--file", action="store_true")
    parser.add_argument("--talk-s", type=float, default=15.0)
    parser.add_argument("server", nargs="*")
    given = parser.parse_args(arguments)
    print("| who spoke | exit s | status | finals | of these after | gaps | lost s | close |")
    print("|---|---|---|---|---|---|---|---|")
    for count in map(int, given.speakers.split(",")):
        with running_server(["--model=whisper-base", *given.server]) as server:
            ending = asyncio.run(end(server, count, given.talk_s, file=given.file))
        title = f"{count} in real time" + (", 1 file" if given.file else "")
        print(ending.row(title), flush=True)


if __name__ == "__main__":
    main()
