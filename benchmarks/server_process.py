"""A server of its own for a measurement: started, found, measured, stopped."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_LINES = 200


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server's two addresses, and its process where it runs on this machine and is known."""

    process: psutil.Process | None
    control_url: str
    audio_url: str

    def cpu_s(self) -> float:
        """CPU seconds used so far, by the process and its children; NaN if it is unknown."""
        if self.process is None:
            return math.nan
        times = self.process.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in self.process.children(recursive=True):
            child_times = child.cpu_times()
            total += child_times.user + child_times.system
        return float(total)

    def rss_mb(self) -> float:
        """Resident memory now, with that of its children; NaN if it is unknown."""
        if self.process is None:
            return math.nan
        processes = [self.process, *self.process.children(recursive=True)]
        return float(sum(p.memory_info().rss for p in processes) / 1e6)


@contextmanager
def running_server(arguments: Sequence[str] = ()) -> Iterator[RunningServer]:
    """Start a server on free ports, wait until it answers, stop it at the end.

    Raises RuntimeError with its output if it ends before it is ready.
    """
    command = [
        sys.executable,
        str(ROOT / "realtime_thai_asr_server.py"),
        "--control-port=0",
        "--audio-port=0",
        "--log-file=",
        "--log-level=warning",
        *arguments,
    ]
    # what is measured is what becomes of speakers, not how many are let in
    environment = {"THAI_ASR_ADMIT_LATENCY_S": "0", **os.environ}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    ) as child:
        try:
            control, audio = _addresses(child)
            yield RunningServer(psutil.Process(child.pid), control, audio)
        finally:
            child.terminate()
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()


def _addresses(child: subprocess.Popen[str]) -> tuple[str, str]:
    assert child.stdout is not None
    found: dict[str, str] = {}
    seen: list[str] = []
    for _ in range(START_LIMIT_LINES):
        line = child.stdout.readline()
        if not line:
            break
        seen.append(line)
        match = re.match(r"\s*(control|audio)\s+(ws://\S+)", line)
        if match:
            found[match[1]] = match[2]
        if len(found) == 2:
            return found["control"], found["audio"]
    raise RuntimeError(f"the server did not start:\n{''.join(seen)}")
