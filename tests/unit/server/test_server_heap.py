"""Threads share heaps, and what is freed goes back."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading

import pytest

from server.heap import keep_small

PROGRAM = """
import re, threading
from server.heap import bound_heaps

bound_heaps(1)
begin = threading.Barrier(13)
kept = []
def work():
    begin.wait()
    kept.append([bytes(600) for _ in range(1_000)])
    begin.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
begin.wait()
begin.wait()
import ctypes
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_many_threads_have_few_heaps() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stderr
    heaps = told.count("Arena ")
    assert 1 <= heaps <= 2, told


async def test_freed_memory_is_given_back_again_and_again_beside_the_loop() -> None:
    given: list[threading.Thread] = []
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    def give_back() -> None:
        given.append(threading.current_thread())
        if len(given) == 3:
            loop.call_soon_threadsafe(enough.set)

    keeping = asyncio.create_task(keep_small(0.001, give_back))
    async with asyncio.timeout(10):
        await enough.wait()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert threading.main_thread() not in given
