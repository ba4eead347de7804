from __future__ import annotations

import asyncio

import pytest

from server.loop_lag import LoopLag


class Clock:
    """Gives these readings, two for each of the loop's rounds; `read` once all were taken."""

    def __init__(self, *readings_s: float) -> None:
        self._readings_s = list(readings_s)
        self.read = asyncio.Event()

    def __call__(self) -> float:
        if not self._readings_s:
            self.read.set()
            return 0.0
        return self._readings_s.pop(0)


async def test_a_blocked_loop_is_seen() -> None:
    clock = Clock(0.0, 0.021, 1.0, 1.17, 2.0, 2.02)
    lag = LoopLag(clock)
    assert lag.percentile_ms(0.99) == 0.0
    task = asyncio.create_task(lag.run())
    async with asyncio.timeout(10):
        await clock.read.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lag.worst_ms == pytest.approx(150)
    assert lag.percentile_ms(1.0) == lag.worst_ms
    assert lag.percentile_ms(0.5) == pytest.approx(1)
    assert lag.percentile_ms(0.0) == pytest.approx(0)
