"""What it costs to tell many people: eight speakers in one session, with viewers and without.

    python -m benchmarks.broadcast [--viewers 100] [--frozen 1] [--speakers 8] [--seconds 10]
                                   [--blocks 4] [--report FILE]

The server has a scripted engine, so nearly all that viewers add is broadcasting; it is this
process, and the clients are another. Blocks have a window of each kind: nobody listens, all
viewers, the same again, and all with frozen ones, who read nothing and for whom the server waits.
The order changes from block to block, and windows are compared within a block, so that other work
of the machine hits all alike. FILE gets every window as JSON. docs/measurements.md has the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr.engine import Prepared
from asr.scripted_engine import ScriptedEngine
from asr.types import Hypothesis
from benchmarks.broadcast_report import Block, Kind, Window, report
from server.loop_lag import LoopLag
from tests.support.running_server import Client, ScriptedModels, scripted_app, serving

SETTLE_S = 2.0
FILLING_LIMIT_S = 60.0
"""A frozen viewer's buffers are full before this."""

ORDERS = (
    (Kind.ALONE, Kind.VIEWERS, Kind.FROZEN, Kind.AGAIN),
    (Kind.VIEWERS, Kind.AGAIN, Kind.ALONE, Kind.FROZEN),
    (Kind.AGAIN, Kind.FROZEN, Kind.VIEWERS, Kind.ALONE),
    (Kind.FROZEN, Kind.ALONE, Kind.AGAIN, Kind.VIEWERS),
)
"""In four blocks each kind comes once in each place, and once after each other kind."""


class ForgetfulEngine(ScriptedEngine):
    """Keeps no audio of former decodes: that is megabytes a second."""

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """Say what was heard."""
        self.batches.clear()
        return super().decode(batch)


@dataclass(frozen=True, slots=True)
class Bench:
    """The server's statistics and the clients' process."""

    control: Client
    clients: Process

    async def order(self, words: str) -> dict[str, Any]:
        """Give the clients an order; their answer. Raises RuntimeError if they are gone."""
        assert self.clients.stdin is not None
        assert self.clients.stdout is not None
        self.clients.stdin.write(f"{words}\n".encode())
        line = await self.clients.stdout.readline()
        if not line:
            raise RuntimeError("the clients failed")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def counter(self, name: str) -> int:
        """A counter of the server's."""
        answer = await self.control.ask({"type": "get_statistics"}, "statistics")
        self.control.events.clear()
        return int(answer["counters"].get(name, 0))

    async def merged(self) -> int:
        """Partials that gave way to newer ones, for their client had not read."""
        return await self.counter("partials_merged_for_slow_clients")

    async def somebody_waited_for(self, frozen: int) -> None:
        """Wait until frozen viewers' buffers are full. Raises RuntimeError if they never are."""
        before, limit_s = await self.merged(), time.monotonic() + FILLING_LIMIT_S
        while await self.merged() < before + 8 * frozen:
            if time.monotonic() > limit_s:
                raise RuntimeError("nobody was waited for")
            await asyncio.sleep(0.5)


async def measure_window(bench: Bench, kind: Kind, chosen: argparse.Namespace) -> Window:
    """One window. Raises RuntimeError if it was not what it should be."""
    viewers = 0 if kind is Kind.ALONE else chosen.viewers
    frozen = chosen.frozen if kind is Kind.FROZEN else 0
    await bench.order(f"crowd {viewers} {frozen}")
    if frozen:
        await bench.somebody_waited_for(frozen)
    await asyncio.sleep(SETTLE_S)
    merged, closed = await bench.merged(), await bench.counter("slow_clients_closed")
    lag = LoopLag(time.monotonic)
    watching = asyncio.create_task(lag.run(), name="lag")
    await bench.order("begin")
    begun_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(chosen.seconds)
    spent_s, lasted_s = time.process_time() - cpu_s, time.monotonic() - begun_s
    heard = await bench.order("end")
    watching.cancel()
    window = Window(
        core_share=spent_s / lasted_s,
        messages_per_s=heard["transcripts"] / lasted_s,
        whole_way_ms=tuple(heard["whole_way_ms"]),
        fan_out_ms=tuple(heard["fan_out_ms"]),
        lag_p99_ms=lag.percentile_ms(0.99),
        merged=await bench.merged() - merged,
    )
    if await bench.counter("slow_clients_closed") != closed:
        raise RuntimeError("a viewer was closed within a window")
    if frozen and window.merged == 0:
        raise RuntimeError("nobody was waited for, so the figure would say nothing")
    return window


async def measure(chosen: argparse.Namespace) -> list[Block]:
    """All blocks."""
    blocks: list[Block] = []
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        models = ScriptedModels(lambda spec: ForgetfulEngine(spec.id))
        app = scripted_app(Path(folder), models, {"partial_interval_ms": 500})
        server = await stack.enter_async_context(serving(app))
        control = await stack.enter_async_context(server.control("?session=desk"))
        command = (sys.executable, "-m", "benchmarks.broadcast_crowd")
        clients = await asyncio.create_subprocess_exec(
            *command, server.audio_url, str(chosen.speakers), stdin=PIPE, stdout=PIPE, limit=2**24
        )
        assert clients.stdin is not None
        bench = Bench(control, clients)
        for number in range(chosen.blocks):
            order = ORDERS[number % len(ORDERS)]
            blocks.append({kind: await measure_window(bench, kind, chosen) for kind in order})
            load = " ".join(f"{each:.1f}" for each in os.getloadavg())
            print(f"block {number + 1} of {chosen.blocks}, load average {load}", flush=True)
        clients.stdin.close()
        if await clients.wait():
            raise RuntimeError("the clients failed")
    return blocks


def main(arguments: Sequence[str]) -> None:
    """Run as the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--frozen", type=int, default=1)
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--report", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    blocks = asyncio.run(measure(chosen))
    print(report(blocks, chosen.viewers))
    if chosen.report is not None:
        windows = [{kind.name: asdict(window) for kind, window in b.items()} for b in blocks]
        chosen.report.write_text(json.dumps(windows), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
