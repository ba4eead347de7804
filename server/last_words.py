"""What was said before an end: it becomes finals in time, or is named as lost."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from server.problem import Problem
from server.registry import AudioSource


async def drained(sources: Collection[AudioSource], limit_s: float, problem: Problem) -> bool:
    """Take no more audio and wait for the finals of what was taken; False if some did not come.

    Those are given up. A limit of 0 leaves no time for any.
    """
    for source in sources:
        source.end(problem)
    try:
        async with asyncio.timeout(limit_s):
            await asyncio.gather(*(source.drain() for source in sources))
    except TimeoutError:
        for source in sources:
            source.give_up(problem)
        return False
    return True
