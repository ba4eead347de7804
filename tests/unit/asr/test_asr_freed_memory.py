"""What is freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import psutil
from asr.freed_memory import return_freed_memory

def rss_mb():
    return psutil.Process().memory_info().rss / 1e6

held = [bytearray(100_000) for _ in range(2_000)]
pins = held[::50]
del held
before = rss_mb()
return_freed_memory()
print(before - rss_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a matter of glibc")
def test_holes_of_a_heap_are_given_back() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    assert float(told) > 100
