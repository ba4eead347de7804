"""A scheduler with the scripted engine, held by gates instead of sleeps."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from asr.engine import Prepared
from asr.scheduler import Scheduler
from asr.scripted_engine import ScriptedEngine
from asr.types import (
    DecodeFailed,
    DecodeKind,
    DecodeOptions,
    DecodeOutcome,
    DecodeRequest,
)
from audio.types import SAMPLE_RATE_HZ

PARTIAL, FINAL = DecodeKind.PARTIAL, DecodeKind.FINAL
VOICE = np.sin(np.arange(SAMPLE_RATE_HZ) / 10).astype(np.float32)
TEMPLATE = DecodeRequest(
    request_id=0,
    stream_id="a",
    epoch=0,
    utterance_id=1,
    revision=1,
    kind=FINAL,
    audio=VOICE,
    options=DecodeOptions(),
    model_id="m",
    created_s=0.0,
    deadline_s=1.0,
)
NUMBERS = itertools.count(1)


def request(stream_id: str = "a", kind: DecodeKind = FINAL, **changes: Any) -> DecodeRequest:
    return replace(TEMPLATE, request_id=next(NUMBERS), stream_id=stream_id, kind=kind, **changes)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A scheduler with one model `m`, whose outcomes are collected as they come."""

    def __init__(self, workers: int, max_batch: int, decode_timeout_s: float) -> None:
        self.clock = Clock()
        self.gate = threading.Event()
        self.gate.set()
        self.started: asyncio.Queue[Sequence[Prepared]] = asyncio.Queue()
        self.outcomes: asyncio.Queue[DecodeOutcome] = asyncio.Queue()
        self.bad_streams = {"bad"}
        self.decode_takes_s = 0.0
        self.loop = asyncio.get_running_loop()
        self.engine = ScriptedEngine(
            "m",
            workers=workers,
            max_batch=max_batch,
            delay=self._on_decode,
            gate=self.gate,
            fail_on=lambda each: each.stream_id in self.bad_streams,
        )
        self.dsp = ThreadPoolExecutor(1)
        self.scheduler = Scheduler(
            dsp=self.dsp, clock=self.clock, decode_timeout_s=decode_timeout_s
        )
        self.scheduler.attach("m", self.engine)

    def _on_decode(self, batch: Sequence[Prepared]) -> float:
        self.clock.now_s += self.decode_takes_s
        self.loop.call_soon_threadsafe(self.started.put_nowait, batch)
        return 0.0

    def submit(self, *requests: DecodeRequest) -> None:
        for each in requests:
            self.scheduler.submit(each, self.outcomes.put_nowait)

    async def collect(self, count: int) -> dict[DecodeRequest, DecodeOutcome]:
        """The next `count` outcomes, by request: one each."""
        outcomes = [await self.outcomes.get() for _ in range(count)]
        by_request = {outcome.request: outcome for outcome in outcomes}
        assert len(by_request) == count
        return by_request

    async def hold_worker(self, stream_id: str = "holder") -> DecodeRequest:
        """Close the gate with one decode behind it."""
        self.gate.clear()
        held = request(stream_id)
        self.submit(held)
        await self.started.get()
        return held

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the loop run until something is so (the test's timeout bounds it)."""
        while not condition():  # noqa: ASYNC110 - the condition is the scheduler's, without event
            await asyncio.sleep(0)


@asynccontextmanager
async def bench(
    workers: int = 1, max_batch: int = 4, decode_timeout_s: float = 60.0
) -> AsyncIterator[Bench]:
    made = Bench(workers, max_batch, decode_timeout_s)
    try:
        yield made
    finally:
        made.gate.set()
        await made.scheduler.close()
        made.dsp.shutdown()
        assert made.outcomes.empty()


def codes(outcomes: dict[DecodeRequest, DecodeOutcome]) -> list[str]:
    return [
        outcome.code if isinstance(outcome, DecodeFailed) else type(outcome).__name__
        for outcome in outcomes.values()
    ]
