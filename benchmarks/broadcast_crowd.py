"""The clients of benchmarks.broadcast: a process of its own, led by lines of standard input.

`crowd VIEWERS FROZEN` makes them so many, `begin` starts a window and `end` ends it. Each line is
answered by a line of JSON: what the window heard.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from urllib.parse import quote, urlsplit

import websockets

from tests.support.narrow_socket import narrow_socket
from tests.support.speech import pcm16, spoken

BLOCK_S = 0.1
BLOCK_BYTES = 3_200
TRANSCRIPTS = ("realtime_transcription", "final_transcription")
VIEWER = "/?session=hall&role=viewer"


@dataclass(slots=True)
class Heard:
    """What a window heard; times as `broadcast_report.Window` has them."""

    transcripts: int = 0
    whole_way_ms: list[float] = field(default_factory=list)
    fan_out_ms: list[float] = field(default_factory=list)


Client = Callable[[asyncio.Event], Coroutine[None, None, None]]
"""A client's life. The event is set once it is in the session."""


class Crowd:
    """Speakers who talk without a pause in one session, and a changing number of viewers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.heard = Heard()
        self._speakers: list[asyncio.Task[None]] = []
        self._viewers: list[asyncio.Task[None]] = []
        self._frozen: list[asyncio.Task[None]] = []

    async def speak(self, speakers: int) -> None:
        """Let so many begin to talk."""
        self._speakers = await _join([partial(self._speak, index) for index in range(speakers)])

    async def change(self, viewers: int, frozen: int) -> None:
        """Have so many viewers, and so many more that read nothing."""
        await _cancel(self._frozen)
        if len(self._viewers) != viewers:
            await _cancel(self._viewers)
            self._viewers = await _join([self._watch] * (viewers - 1) + [self._measure][:viewers])
        self._frozen = await _join([self._freeze] * frozen)

    async def leave(self) -> None:
        """Let everybody go. Raises what ended a client before."""
        await _cancel([*self._frozen, *self._viewers, *self._speakers])

    async def _speak(self, index: int, joined: asyncio.Event) -> None:
        """Talk in real time; the first speaker counts what the session says."""
        name = f"speaker {index}"
        address = f"{self._url}/?session=hall&speaker={quote(name)}"
        async with websockets.connect(address, max_size=None) as connection:
            joined.set()
            begun_s = time.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(_talk(connection, index, begun_s), name="talk")
                async for message in connection:
                    event = json.loads(message)
                    if event["type"] not in TRANSCRIPTS:
                        continue
                    self.heard.transcripts += index == 0
                    if event["type"] == TRANSCRIPTS[0] and event["speaker"] == name:
                        sent_s = begun_s + event["end_ms"] / 1_000
                        self.heard.whole_way_ms.append(1_000 * (time.monotonic() - sent_s))

    async def _watch(self, joined: asyncio.Event) -> None:
        """Read everything and look at nothing."""
        async with websockets.connect(self._url + VIEWER, max_size=None) as connection:
            joined.set()
            async for _ in connection:
                pass

    async def _measure(self, joined: asyncio.Event) -> None:
        """Read everything and see how late it is."""
        async with websockets.connect(self._url + VIEWER, max_size=None) as connection:
            joined.set()
            async for message in connection:
                event = json.loads(message)
                if event["type"] in TRANSCRIPTS:
                    said_s = datetime.fromisoformat(event["timestamp"]).timestamp()
                    self.heard.fan_out_ms.append(1_000 * (time.time() - said_s))

    async def _freeze(self, joined: asyncio.Event) -> None:
        """Join, and read nothing."""
        narrow = narrow_socket(urlsplit(self._url).port or 0)
        async with websockets.connect(self._url + VIEWER, sock=narrow) as connection:
            connection.transport.pause_reading()
            joined.set()
            try:
                await asyncio.Event().wait()
            finally:
                connection.transport.abort()


async def _talk(connection: websockets.ClientConnection, index: int, begun_s: float) -> None:
    voice = pcm16(spoken(60.0, 200.0 + 11 * index))
    sent = 0
    while True:
        # a block is sent when it has been said
        await asyncio.sleep(max(0.0, begun_s + (sent + 1) * BLOCK_S - time.monotonic()))
        start = sent * BLOCK_BYTES % len(voice)
        await connection.send(voice[start : start + BLOCK_BYTES])
        sent += 1


async def _join(clients: Sequence[Client]) -> list[asyncio.Task[None]]:
    """One after the other, so that the last one is the last of the session."""
    tasks = []
    for client in clients:
        joined = asyncio.Event()
        tasks.append(asyncio.create_task(client(joined)))
        waiting = asyncio.create_task(joined.wait())
        await asyncio.wait((waiting, tasks[-1]), return_when=asyncio.FIRST_COMPLETED)
        if not joined.is_set():
            waiting.cancel()
            tasks[-1].result()
    return tasks


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def run(url: str, speakers: int) -> None:
    """Follow the orders until there are no more."""
    crowd = Crowd(url)
    await crowd.speak(speakers)
    loop = asyncio.get_running_loop()
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        if order[0] == "crowd":
            await crowd.change(int(order[1]), int(order[2]))
        heard, crowd.heard = crowd.heard, Heard()
        print(json.dumps(asdict(heard)), flush=True)
    await crowd.leave()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
