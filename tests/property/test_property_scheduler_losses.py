"""Whatever dies or hangs when, every request gets exactly one outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from asr.scripted_engine import ScriptedEngine
from asr.types import DecodeKind, DecodeRequest
from tests.support.losing_engine import LosingEngine
from tests.support.scheduler_bench import bench, request

STREAMS = "abcd"


@dataclass(frozen=True)
class Step:
    """Something that happens."""

    what: str
    stream: str
    kind: DecodeKind


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(("submit",) * 8 + ("die", "hang", "release", "retire", "wait", "exchange")),
        st.sampled_from(STREAMS),
        st.sampled_from(DecodeKind),
    ),
    max_size=40,
)


Counts: TypeAlias = Counter[DecodeRequest]


async def play(steps: list[Step], workers: int, *, to_the_end: bool) -> tuple[Counts, Counts]:
    """How often each request got an outcome, and once for each that was made."""
    received: Counts = Counter()
    asked: Counts = Counter()
    async with bench(workers=workers, decode_timeout_s=0.01) as b:
        engine = LosingEngine(workers=workers)
        b.scheduler.exchange("m", engine)
        for number, step in enumerate(steps):
            match step.what:
                case "submit":
                    made = request(
                        step.stream, step.kind, utterance_id=number // 8, revision=number
                    )
                    asked[made] += 1
                    b.scheduler.submit(made, lambda outcome: received.update([outcome.request]))
                case "die":
                    engine.deaths[step.stream] += 1
                case "hang":
                    engine.hangs[step.stream] += 1
                case "release":
                    engine.release.set()
                case "retire":
                    b.scheduler.retire(step.stream, 0, number // 8, step.kind)
                case "exchange":
                    b.scheduler.exchange("m", ScriptedEngine("m", workers=workers))
                case _:
                    await asyncio.sleep(0.001)
        if to_the_end:
            async with asyncio.timeout(20):
                await b.until(lambda: len(received) == len(asked))
            health = b.scheduler.health("m")
            assert health is not None
            assert health.workers <= workers
        engine.release.set()
        await b.scheduler.close()
    return received, asked


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 3), st.booleans())
def test_every_request_gets_exactly_one_outcome(
    steps: list[Step], workers: int, to_the_end: bool
) -> None:
    received, asked = asyncio.run(play(steps, workers, to_the_end=to_the_end))
    assert received == asked
