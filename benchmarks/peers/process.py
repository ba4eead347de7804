"""A peer's server as a child process, and what it uses over time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from benchmarks.server_process import RunningServer

START_LIMIT_S = 120.0
STOP_LIMIT_S = 15.0
SAMPLE_EVERY_S = 0.25


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def running_peer(
    command: Sequence[str], port: int, log: Path, **environment: str
) -> Iterator[RunningServer]:
    """Start a server, wait until its port is open, end it and its children afterwards.

    `control_url` is the same as `audio_url`: `ws://127.0.0.1:port`. Its output is added to `log`.
    Raises RuntimeError if it ends, or does not listen in 120 s.
    """
    own = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"} | environment
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=own)
        process = psutil.Process(child.pid)
        try:
            _wait_for_port(child, port, log)
            url = f"ws://127.0.0.1:{port}"
            yield RunningServer(process, url, url)
        finally:
            _end(child, process)


def _wait_for_port(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up_s and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{child.args!r} does not listen on port {port}: see {log}")


def _end(child: subprocess.Popen[bytes], process: psutil.Process) -> None:
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
    child.terminate()
    try:
        child.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for left in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()


class Usage(threading.Thread):
    """Samples a server's CPU time and memory, its children included, until stopped."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(name="usage", daemon=True)
        self._server = server
        self._done = threading.Event()
        self._samples: list[tuple[float, float, float]] = []
        self._sample()

    def run(self) -> None:
        """Sample four times a second."""
        while not self._done.wait(SAMPLE_EVERY_S):
            self._sample()

    def _sample(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):  # a child that has just ended
            sample = (time.monotonic(), self._server.cpu_s(), self._server.rss_mb())
            self._samples.append(sample)

    def stop(self) -> None:
        """End sampling."""
        self._done.set()
        self.join()
        self._sample()

    def cpu_s(self, start_s: float, end_s: float) -> float:
        """CPU seconds between two moments of `time.monotonic`."""
        times = [at for at, _, _ in self._samples]
        used = [cpu for _, cpu, _ in self._samples]
        return float(np.interp(end_s, times, used) - np.interp(start_s, times, used))

    def peak_rss_mb(self) -> float:
        """The most resident memory seen."""
        return max(rss for _, _, rss in self._samples)

    def is_idle(self) -> bool:
        """Whether less than a tenth of a core was used over the last second."""
        recent = self._samples[-5:]
        if len(recent) < 5:
            return False
        return recent[-1][1] - recent[0][1] < 0.1 * (recent[-1][0] - recent[0][0])
