"""Attacks on a server from a process of their own, until standard input ends.

    python -m tests.support.attackers CONTROL_PORT AUDIO_PORT KIND...

Then a line of JSON says how often each was tried.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.raw_websocket import BINARY, TEXT, RawWebSocket, frame, handshake

ROOT = Path(__file__).resolve().parents[2]
SLOW_ONES = 40
MESSAGES_PER_S = 10_000
TURN_S = 0.01
MOST_WAITING_BYTES = 1_000_000


@dataclass(slots=True)
class Target:
    """The ports, and how often each attack was tried."""

    control: int
    audio: int
    counts: Counter[str] = field(default_factory=Counter)


async def slow_handshakes(target: Target) -> None:
    """Many requests, a byte at a time."""

    async def one() -> None:
        while True:
            raw = await RawWebSocket.connect(target.control)
            target.counts["slow_handshakes"] += 1
            for byte in handshake("/?" + "x" * 2_000):
                if raw.writer.is_closing():
                    break
                raw.send(bytes([byte]))
                await asyncio.sleep(0.05)
            raw.reset()

    await asyncio.gather(*(one() for _ in range(SLOW_ONES)))


async def huge_headers(target: Target) -> None:
    """Requests whose headers do not end."""
    while True:
        raw = await RawWebSocket.connect(target.audio)
        for _ in range(200):
            raw.send(b"GET / HTTP/1.1\r\n" + b"X-Filler: " + b"x" * 4_000 + b"\r\n")
        target.counts["huge_headers"] += 1
        await raw.close_code(1.0)
        raw.reset()


async def compression_bombs(target: Target) -> None:
    """Compressed frames, though compression was not agreed on."""
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(20_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    while True:
        raw, _ = await RawWebSocket.open(
            target.audio, Sec_WebSocket_Extensions="permessage-deflate"
        )
        raw.send(frame(BINARY, bomb, reserved=4))
        await raw.close_code(1.0)
        raw.reset()
        target.counts["compression_bombs"] += 1
        await asyncio.sleep(0.02)


async def tiny_messages(target: Target) -> None:
    """Ten thousand messages a second from one connection on each port."""
    await asyncio.gather(
        _flood(target, target.audio, "tiny_messages", lambda _: frame(BINARY, bytes(2))),
        _flood(target, target.control, "tiny_messages", lambda _: frame(TEXT, b'{"type":"ping"}')),
    )


async def bad_requests(target: Target) -> None:
    """Nonsense on each port, as fast as it is taken."""
    chance = random.Random(1)
    nonsense = (b"{", b'{"type": "make_tea"}', b'{"type": "audio_chunk", "data": "*"}', b"[]")

    def request(_: int) -> bytes:
        return frame(TEXT, chance.choice(nonsense))

    await asyncio.gather(
        _flood(target, target.audio, "bad_requests", request),
        _flood(target, target.control, "bad_requests", request),
    )


async def _flood(target: Target, port: int, name: str, message: Callable[[int], bytes]) -> None:
    raw, _ = await RawWebSocket.open(port, f"/?session={name}")
    reading = asyncio.create_task(raw.close_code(3_600.0))
    at_once = round(MESSAGES_PER_S * TURN_S)
    try:
        while not reading.done():
            if raw.writer.transport.get_write_buffer_size() < MOST_WAITING_BYTES:
                raw.send(b"".join(map(message, range(at_once))))
                target.counts[name] += at_once
            await asyncio.sleep(TURN_S)
    finally:
        reading.cancel()
        raw.reset()


ATTACKS: dict[str, Callable[[Target], Awaitable[None]]] = {
    attack.__name__: attack
    for attack in (slow_handshakes, huge_headers, compression_bombs, tiny_messages, bad_requests)
}


async def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    target = Target(int(arguments[0]), int(arguments[1]))
    tasks = [asyncio.ensure_future(_again(ATTACKS[kind], target)) for kind in arguments[2:]]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(target.counts), flush=True)


async def _again(attack: Callable[[Target], Awaitable[None]], target: Target) -> None:
    """An attack goes on when the server has thrown it out."""
    while True:
        try:
            await attack(target)
        except (OSError, EOFError):
            await asyncio.sleep(TURN_S)


@asynccontextmanager
async def attacked(control: int, audio: int, kinds: Sequence[str]) -> AsyncIterator[Counter[str]]:
    """Attack until the block ends; then the counts are there."""
    counts: Counter[str] = Counter()
    command = (sys.executable, "-m", "tests.support.attackers", str(control), str(audio), *kinds)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        yield counts
    finally:
        written, _ = await process.communicate(b"")
        counts.update(json.loads(written or b"{}"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
