"""Threads share heaps."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
