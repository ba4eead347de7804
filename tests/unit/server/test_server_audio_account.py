from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from asr.types import Profile
from audio.intake import IntakeResult
from server.problem import SHUTTING_DOWN
from tests.support.actor_rig import ActorRig
from tests.support.speech import pcm16

WINDOW = 512
QUIET = 13


class HeldUp:
    """The second job of an intake is done, and its result does not come back until it is `free`."""

    def __init__(self, rig: ActorRig) -> None:
        self.first, self.second, self.free = (threading.Event() for _ in range(3))
        self._push = rig.intake.push

    def push(self, data: bytes) -> IntakeResult:
        result = self._push(data)
        if not self.first.is_set():
            self.first.set()
            return result
        self.second.set()
        assert self.free.wait(10)
        return result


def spoken(windows: int) -> bytes:
    times_s = np.arange(windows * WINDOW) / 16_000
    return pcm16((0.3 * np.sin(2 * np.pi * 300 * times_s)).astype(np.float32))


async def test_the_first_sound_of_a_word_is_named_though_a_job_goes_on() -> None:
    """It may be speech when all is given up, and is by then in the job that is under way."""
    with ThreadPoolExecutor(1) as dsp:
        rig = ActorRig(dsp, Profile.FAST)
        held = HeldUp(rig)
        rig.intake.push = held.push  # type: ignore[method-assign]
        running = asyncio.create_task(rig.actor.run())
        rig.hear(bytes(2 * QUIET * WINDOW) + spoken(2))
        assert await asyncio.to_thread(held.first.wait, 10)
        rig.hear(spoken(20))
        assert await asyncio.to_thread(held.second.wait, 10)
        rig.actor.give_up(SHUTTING_DOWN)
        held.free.set()
        await rig.end(last=True).wait()
        await running
    (gap,) = rig.ranges
    assert gap.start <= QUIET * WINDOW
    assert gap.end is None
