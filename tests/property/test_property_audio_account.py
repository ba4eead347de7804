"""All accepted audio ends in a final, as silence or in a gap, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr.types import DecodeDropped, DecodeFailed, DecodeOutcome, DecodeRequest, Profile
from audio.types import AudioError
from server.problem import SHUTTING_DOWN
from tests.support.actor_rig import ActorRig, Range
from tests.support.recogniser_rig import DOUBTFUL_LOGPROB, result
from tests.support.speech import pcm16

WINDOW = 512

LOUD = st.tuples(st.just("speak"), st.integers(13, 60))
"""In windows of 32 ms: longer than what is too short to be speech."""
QUIET = st.tuples(st.just("pause"), st.integers(1, 30))
ANSWERS = ("text", "doubtful", "nothing", "loop", "failed", "timeout", "dropped")
ANSWER = st.tuples(st.sampled_from(ANSWERS), st.integers(0, 5))
OTHER = st.tuples(st.sampled_from(["end", "run", "hurry", "refuse"]), st.just(0))
STEPS = st.lists(LOUD | QUIET | ANSWER | OTHER, max_size=30)


@dataclass
class Story:
    """What was sent, and where somebody spoke."""

    position: int = 0
    spoken: list[tuple[int, int]] = field(default_factory=list)

    def windows(self, count: int, *, loud: bool) -> bytes:
        start, self.position = self.position, self.position + count * WINDOW
        if not loud:
            return bytes(2 * count * WINDOW)
        self.spoken.append((start, self.position))
        times_s = np.arange(start, self.position) / 16_000
        return pcm16((0.3 * np.sin(2 * np.pi * 300 * times_s)).astype(np.float32))


def outcome(kind: str, request: DecodeRequest) -> DecodeOutcome:
    match kind:
        case "text":
            return result(request)
        case "doubtful":
            return result(request, avg_logprob=DOUBTFUL_LOGPROB)
        case "nothing":
            return result(request, "")
        case "loop":
            return result(request, "ก" * 60)
        case "dropped":
            return DecodeDropped(request, "superseded")
    code = "decode_failed" if kind == "failed" else "decode_timeout"
    return DecodeFailed(request, code, "no text")


async def take(rig: ActorRig, story: Story, steps: list[tuple[str, int]], *, ended: bool) -> None:
    refused = False
    for kind, number in steps:
        match kind:
            case "speak" | "pause" if not refused:
                rig.hear(story.windows(number, loud=kind == "speak"))
            case "end":
                rig.end()
            case "run":
                await asyncio.sleep(0.002)
            case "hurry":
                rig.actor.hurry()
            case "refuse" if ended:
                refused = True  # the server's end: nothing is accepted any more
                rig.actor.hurry()
                rig.actor.refuse(SHUTTING_DOWN)
            case _ if kind in ANSWERS:
                rig.answer(number, partial(outcome, kind))
        await asyncio.sleep(0)


def check(rig: ActorRig, story: Story) -> None:
    """No piece twice, and every spoken one somewhere."""
    ranges = sorted(rig.ranges, key=lambda each: each.start)
    for before, after in itertools.pairwise(ranges):
        assert before.end is not None, (before, after)
        assert before.end <= after.start, (before, after)
    for start, end in story.spoken:
        assert not missing(ranges, start, end), (start, end, ranges)
    assert all(each.start <= story.position for each in ranges)
    assert [lease.releases for lease in rig.leases] == [1] * len(rig.leases)


def missing(ranges: list[Range], start: int, end: int) -> list[tuple[int, int]]:
    """What of [start, end) is in no range (they are in order)."""
    left = []
    for each in ranges:
        if each.start > start:
            left.append((start, min(end, each.start)))
        start = max(start, end if each.end is None else each.end)
        if start >= end:
            break
    else:
        left.append((start, end))
    return [(a, b) for a, b in left if a < b]


async def answer_all(rig: ActorRig, until: asyncio.Event) -> None:
    while not until.is_set():
        rig.answer(0, result)
        await asyncio.sleep(0.001)


EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(steps=STEPS, profile=st.sampled_from(Profile))
def test_what_is_decoded_to_the_end(steps: list[tuple[str, int]], profile: Profile) -> None:
    async def run() -> None:
        story = Story()
        with ThreadPoolExecutor(1) as dsp:
            rig = ActorRig(dsp, profile)
            running = asyncio.create_task(rig.actor.run())
            await take(rig, story, steps, ended=True)
            await answer_all(rig, rig.end(last=True))
            await running
        check(rig, story)
        rest = [each.start for each in rig.ranges if each.end is None]
        assert rest == ([story.position] if ("refuse", 0) in steps else [])

    asyncio.run(run())


@EXAMPLES
@given(steps=STEPS, late=STEPS, profile=st.sampled_from(Profile), hangs=st.booleans())
def test_what_a_server_without_time_gives_up(
    steps: list[tuple[str, int]], late: list[tuple[str, int]], profile: Profile, hangs: bool
) -> None:
    async def run() -> None:
        story = Story()
        with ThreadPoolExecutor(1) as dsp:
            rig = ActorRig(dsp, profile)
            running = asyncio.create_task(rig.actor.run())
            await take(rig, story, steps, ended=True)
            rig.actor.hurry()
            rig.end()
            if not hangs:
                await take(rig, story, [step for step in late if step[0] in ANSWERS], ended=True)
            rig.actor.give_up(SHUTTING_DOWN)
            rig.actor.refuse(SHUTTING_DOWN)
            assert rig.actor.work.finals == 0
            last = rig.end(last=True)
            for _ in range(3):
                rig.answer(0, result)  # what comes too late changes nothing
            await last.wait()
            await running
        check(rig, story)

    asyncio.run(run())


@EXAMPLES
@given(steps=STEPS, more=st.lists(LOUD | QUIET, min_size=1, max_size=5))
def test_what_a_broken_detector_did_not_hear(
    steps: list[tuple[str, int]], more: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        story = Story()
        with ThreadPoolExecutor(1) as dsp:
            rig = ActorRig(dsp, Profile.BALANCED)
            running = asyncio.create_task(rig.actor.run())
            await take(rig, story, steps, ended=False)
            rig.intake.broken = True
            await take(rig, story, more, ended=False)
            failed = asyncio.Event()
            running.add_done_callback(lambda _: failed.set())
            await answer_all(rig, failed)
            with pytest.raises(AudioError, match="broke"):
                running.result()
        check(rig, story)
        (rest,) = [each for each in rig.ranges if each.end is None]
        assert rest.what == "vad_failed"

    asyncio.run(run())
