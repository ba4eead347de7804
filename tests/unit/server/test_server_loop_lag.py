from __future__ import annotations

import asyncio
import time

import pytest

from server.loop_lag import LoopLag


async def test_a_blocked_loop_is_seen() -> None:
    lag = LoopLag(time.monotonic)
    assert lag.percentile_ms(0.99) == 0.0
    task = asyncio.create_task(lag.run())
    await asyncio.sleep(0.1)
    time.sleep(0.15)  # noqa: ASYNC251  (the very thing that is measured)
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lag.worst_ms == pytest.approx(140, abs=60)
    assert lag.percentile_ms(1.0) == lag.worst_ms
    assert lag.percentile_ms(0.0) < 100
