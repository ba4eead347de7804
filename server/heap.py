"""What glibc keeps for this process: how many heaps, and for how long what was freed."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from typing import Final

from asr.freed_memory import return_freed_memory

M_ARENA_MAX: Final = -8
"""glibc's malloc.h."""

FEWEST: Final = 2
RETURN_EVERY_S: Final = 10.0


def bound_heaps(cpu_count: int) -> None:
    """Have threads share heaps, one for each core; to be called before there are threads.

    By default there are up to eight for each core, and what the threads of one model leave in
    theirs is not given back: after 20 switches the process held 14 % more than after five.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_ARENA_MAX, max(FEWEST, cpu_count))


async def keep_small(
    every_s: float = RETURN_EVERY_S, give_back: Callable[[], object] = return_freed_memory
) -> None:
    """Give back now and then what decodes freed, until cancelled.

    Their buffers are of every size, and what is small and long-lived comes to lie between them: by
    itself a heap grows with every new worst case, and stays so.
    """
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(give_back)
