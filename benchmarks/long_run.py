"""Hours of mixed traffic: whether memory, tasks, threads or descriptors grow, and words are lost.

    python -m benchmarks.long_run [--minutes 120] [--speakers 2] [--report FILE]

A server with the real model; speakers who talk in real time over networks that fail every now and
then, viewers and bad clients who come and go, connections that are opened and lost. Each talk is
compared with how it was understood the first time. A report in words goes to standard output;
FILE gets the samples as JSON. docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import websockets
from scipy.stats import theilslopes

from benchmarks.dataset import Pcm16
from benchmarks.model_switches import ask, counters
from benchmarks.network_cuts import LiveSpeech, speeches
from benchmarks.server_process import RunningServer, running_server
from benchmarks.tcp_line import TcpLine
from client import AsrConnection, connect
from client.addresses import Addresses
from client.conversation import Conversation
from client.feed import Feed
from client.resumption import Resumption
from client.view import PlainView

SETTLING_MIN = 10.0
"""The slope of memory begins after this."""
SAMPLE_EVERY_S = 60.0
TALKS = 6
BAD_MESSAGES = ("{", '{"type": "audio_chunk"}', '{"type": 7}', "[]", '{"type": "audio_end"}')


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment."""

    minute: float
    rss_mb: float
    threads: int
    descriptors: int
    tasks: float
    sessions: float
    streams: float
    clients: float
    final_latency_ms: float


@dataclass(slots=True)
class Tally:
    """What the clients saw."""

    talks: int = 0
    finals: int = 0
    cuts: int = 0
    viewers: int = 0
    bad_clients: int = 0
    lost: list[str] = field(default_factory=list)
    """Talks that were understood in another way than the first time, or lost something."""
    texts: dict[int, list[str]] = field(default_factory=dict)


class Traffic:
    """The clients of one run, until `stop` is set."""

    def __init__(self, server: RunningServer, talks: Sequence[Pcm16], seed: int) -> None:
        self.tally = Tally()
        self.stop = asyncio.Event()
        self._server = server
        self._talks = talks
        self._chance = random.Random(seed)  # no secret  # nosec B311
        self._count = 0

    async def run(self, speakers: int) -> None:
        """All of them at once; returns when every talk is over."""
        others = [asyncio.create_task(self._viewers()), asyncio.create_task(self._bad_clients())]
        await asyncio.gather(*(self._speaker() for _ in range(speakers)))
        await asyncio.gather(*others)

    async def _speaker(self) -> None:
        while not self.stop.is_set():
            number, self._count = self._count, self._count + 1
            which = number % len(self._talks)
            length_s = len(self._talks[which]) / 16_000
            broken = which in self.tally.texts and self._chance.random() < 0.5
            cut_at_s = self._chance.uniform(0.1, 0.8) * length_s if broken else None
            await self._talk(number, which, cut_at_s)
            await self._pause(1.0)

    async def _talk(self, number: int, which: int, cut_at_s: float | None) -> None:
        ports = [urlsplit(u).port or 0 for u in (self._server.control_url, self._server.audio_url)]
        async with TcpLine(ports[0]) as control, TcpLine(ports[1]) as audio:
            urls = Addresses(f"ws://127.0.0.1:{control.port}", f"ws://127.0.0.1:{audio.port}")
            resumption = Resumption()

            def connecting(name: str | None) -> AbstractAsyncContextManager[AsrConnection]:
                return connect(urls, session=name or f"talk-{number}", resumption=resumption)

            notes = StringIO()
            feed = Feed(LiveSpeech(self._talks[which]))
            conversation = Conversation(connecting, feed, PlainView(StringIO(), notes))
            breaking = asyncio.create_task(self._cut(cut_at_s, (control, audio)))
            try:
                await conversation.hold()
            finally:
                breaking.cancel()
                await asyncio.gather(breaking, return_exceptions=True)
        self._compare(number, which, conversation, notes.getvalue())

    def _compare(self, number: int, which: int, conversation: Conversation, notes: str) -> None:
        own = [final.text for final in conversation.finals]
        self.tally.talks += 1
        self.tally.finals += len(own)
        first = self.tally.texts.setdefault(which, own)
        if own != first or conversation.failed:
            self.tally.lost.append(f"talk {number}: {own} instead of {first}; {notes}")

    async def _cut(self, at_s: float | None, lines: Sequence[TcpLine]) -> None:
        if at_s is None:
            return
        await asyncio.sleep(at_s)
        self.tally.cuts += 1
        frozen = self._chance.random() < 0.5
        for line in lines:
            line.freeze() if frozen else line.cut()
        await asyncio.sleep(self._chance.uniform(1.0, 20.0))
        for line in lines:
            line.mend()

    async def _viewers(self) -> None:
        """Ten at a time in the session of a talk, for some seconds."""
        while not self.stop.is_set():
            url = f"{self._server.audio_url}/?role=viewer&events=all&session=talk-{self._count - 1}"
            self.tally.viewers += 10
            await asyncio.gather(*(self._view(url) for _ in range(10)))

    async def _view(self, url: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(2.0, 15.0)):
                async with websockets.connect(url, max_size=None) as socket:
                    async for _ in socket:
                        pass

    async def _bad_clients(self) -> None:
        """Nonsense, half a word, and gone without a goodbye; on either port."""
        while not self.stop.is_set():
            self.tally.bad_clients += 1
            base = self._chance.choice((self._server.control_url, self._server.audio_url))
            query = self._chance.choice(("", "?events=all", "?resume=new", "?role=viewer"))
            with contextlib.suppress(OSError, websockets.WebSocketException):
                async with websockets.connect(
                    f"{base}/{query}&session=bad".replace("/&", "/?")
                ) as s:
                    for _ in range(self._chance.randrange(5)):
                        await s.send(self._chance.choice(BAD_MESSAGES))
                    await s.send(self._chance.randbytes(self._chance.randrange(1, 4_000)))
                    s.transport.abort()
            await self._pause(self._chance.uniform(0.1, 2.0))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stop.wait()


async def sample(server: RunningServer, begun_s: float) -> Sample:
    """The server now."""
    assert server.process is not None
    status = await ask(server, {"type": "get_status"}, "server_status")
    counted = await counters(server)
    return Sample(
        (time.monotonic() - begun_s) / 60,
        server.rss_mb(),
        server.process.num_threads(),
        server.process.num_fds(),
        counted["tasks"],
        status["sessions"],
        status["streams"],
        status["clients"],
        status.get("final_latency_ms", float("nan")),
    )


async def measure(
    server: RunningServer, minutes: float, speakers: int, seed: int
) -> tuple[list[Sample], Tally]:
    """The samples of each minute, the last of a server that nobody uses any more."""
    traffic = Traffic(server, speeches(TALKS), seed)
    begun_s = time.monotonic()
    samples = [await sample(server, begun_s)]
    running = asyncio.create_task(traffic.run(speakers))
    while time.monotonic() < begun_s + 60 * minutes:
        await asyncio.sleep(SAMPLE_EVERY_S)
        samples.append(await sample(server, begun_s))
        print(samples[-1], flush=True)
    traffic.stop.set()
    await running
    await asyncio.sleep(70)  # places whose clients did not come back are given up
    samples.append(await sample(server, begun_s))
    return samples, traffic.tally


def report(samples: Sequence[Sample], tally: Tally) -> str:
    """Everything in words."""
    used, idle = samples[1:-1], samples[-1]
    late = [s for s in used if s.minute > SETTLING_MIN] or used
    slope, _, low, high = theilslopes([s.rss_mb for s in late], [s.minute / 60 for s in late])
    half = len(late) // 2
    earlier, later = (
        statistics.median(s.final_latency_ms for s in part)
        for part in (late[:half] or late, late[half:])
    )

    def spread(name: str) -> str:
        values = [float(getattr(s, name)) for s in late]
        return f"{min(values):.0f}-{max(values):.0f}"

    return "\n".join(
        (
            f"{late[-1].minute:.0f} minutes: {tally.talks} talks, {tally.finals} finals, "
            f"{tally.cuts} network cuts, {tally.viewers} viewers, {tally.bad_clients} bad clients",
            f"talks that lost or changed a word: {len(tally.lost)}",
            *tally.lost,
            f"memory: slope {slope:+.1f} MB an hour (95 % {low:+.1f} to {high:+.1f}), "
            f"{late[0].rss_mb:.0f} MB after {late[0].minute:.0f} min, {late[-1].rss_mb:.0f} MB at "
            f"the end, {idle.rss_mb:.0f} MB idle",
            f"threads {spread('threads')}, descriptors {spread('descriptors')}, tasks "
            f"{spread('tasks')}; before anybody came {samples[0].threads}, "
            f"{samples[0].descriptors}, {samples[0].tasks:.0f}; idle afterwards {idle.threads}, "
            f"{idle.descriptors}, {idle.tasks:.0f}; sessions {idle.sessions}, streams "
            f"{idle.streams}",
            f"median final latency, first half {earlier:.0f} ms, second half {later:.0f} ms",
        )
    )


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--speakers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="the samples, as JSON")
    chosen = parser.parse_args(arguments)
    with running_server(["--model=whisper-base", "--profile=fast"]) as server:
        samples, tally = asyncio.run(measure(server, chosen.minutes, chosen.speakers, chosen.seed))
    print(report(samples, tally))
    if chosen.report is not None:
        chosen.report.write_text(json.dumps([asdict(s) for s in samples], indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
