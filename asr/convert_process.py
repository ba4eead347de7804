"""A child process that may use so much memory, so much time, and no more than an idle machine.

It ends with its parent: the child of a parent that is gone reads the end of its standard input.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import psutil

from asr.engine import EngineError

logger = logging.getLogger(__name__)

POLL_S: Final = 0.1
"""How late a cancellation, a timeout or a breach of the memory bound may be noticed."""

TAIL_LINES: Final = 20
_LONGEST_LINE: Final = 65_536
_MAX_LINES: Final = 1_000
_END_LIMIT_S: Final = 10.0
_NICENESS: Final = 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may use."""

    memory_mb: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a child used."""

    peak_mb: int
    wall_s: float


Told = Mapping[str, Any]


def run_bounded(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    bounds: Bounds,
    cancelled: threading.Event,
    heard: Callable[[Told], None],
    tick: Callable[[], None],
) -> Usage:
    """Run it to its end (blocking); `heard` gets its JSON lines, `tick` is called in between.

    Both in the calling thread. Raises EngineError: `cancelled`, `conversion_timeout`,
    `out_of_memory`, `conversion_failed` (with the end of what it wrote to standard error), or the
    code of its own error line. Whatever happens, it and its children are gone afterwards.
    """
    child = _Child(command, environment)
    try:
        return child.follow(bounds, cancelled, heard, tick)
    finally:
        child.end()


class _Child:
    """The process and the two threads that read from it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        windows = sys.platform == "win32"
        try:
            self._popen = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                # Ctrl-C at the terminal is for the parent, which ends the child in order
                start_new_session=not windows,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if windows else 0,
            )
        except OSError as error:
            raise EngineError(
                "conversion_failed", f"{command[0]} cannot be started: {error}"
            ) from error
        self._begun_s = time.monotonic()
        self._peak_bytes = 0
        self._process = _process_of(self._popen.pid)
        self._lines: queue.Queue[bytes] = queue.Queue(_MAX_LINES)  # full: the child waits
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._ended = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(self._popen.stdout,), name="convert-out"),
            threading.Thread(
                target=self._read_errors, args=(self._popen.stderr,), name="convert-err"
            ),
        ]
        for reader in self._readers:
            reader.daemon = True
            reader.start()

    def follow(
        self,
        bounds: Bounds,
        cancelled: threading.Event,
        heard: Callable[[Told], None],
        tick: Callable[[], None],
    ) -> Usage:
        """Until its end, or a bound."""
        while True:
            ended = self._popen.poll() is not None and not self._readers[0].is_alive()
            with contextlib.suppress(queue.Empty):
                while True:
                    self._take(self._lines.get(timeout=0 if ended else POLL_S), heard)
            if ended:
                break
            if cancelled.is_set():
                raise EngineError("cancelled", "the conversion was cancelled")
            self._check(bounds)
            tick()
        if self._popen.returncode:
            raise self._failure()
        return Usage(round(self._peak_bytes / 1e6), time.monotonic() - self._begun_s)

    def _take(self, line: bytes, heard: Callable[[Told], None]) -> None:
        try:
            told = json.loads(line)
        except ValueError:
            logger.debug("the conversion said %r", line[:200])
            return
        if not isinstance(told, dict):
            return
        if "error" in told:
            raise EngineError(str(told["error"]), str(told.get("message", "")))
        heard(told)

    def _check(self, bounds: Bounds) -> None:
        if time.monotonic() - self._begun_s > bounds.timeout_s:
            raise EngineError(
                "conversion_timeout", f"the conversion took longer than {bounds.timeout_s:.0f} s"
            )
        used = _used_bytes(self._process)
        self._peak_bytes = max(self._peak_bytes, used)
        if used > bounds.memory_mb * 1e6:
            raise EngineError(
                "out_of_memory",
                f"the conversion needs more than the {bounds.memory_mb} MB that it may use",
            )

    def _failure(self) -> EngineError:
        status = self._popen.returncode
        self._readers[1].join(_END_LIMIT_S)
        if status == -9:
            return EngineError(
                "out_of_memory", "the system ended the conversion; memory ran out, most likely"
            )
        tail = "\n".join(self._tail)
        return EngineError("conversion_failed", f"the conversion ended with {status}: {tail}")

    def end(self) -> None:
        """Kill it with all its children, unless it is gone; end the threads."""
        with contextlib.suppress(psutil.Error):
            for process in (*self._process.children(recursive=True), self._process):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_END_LIMIT_S)
        self._ended.set()
        for reader in self._readers:
            reader.join(_END_LIMIT_S)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(_LONGEST_LINE):
            while not self._ended.is_set():
                with contextlib.suppress(queue.Full):
                    self._lines.put(line, timeout=POLL_S)
                    break

    def _read_errors(self, pipe: IO[bytes]) -> None:
        while line := pipe.readline(_LONGEST_LINE):
            text = line.decode("utf-8", "replace").strip()
            if text:
                logger.debug("conversion: %s", text)
                self._tail.append(text[:1000])


def _process_of(pid: int) -> psutil.Process:
    """The process, at a low priority: who speaks comes first."""
    process = psutil.Process(pid)
    with contextlib.suppress(psutil.Error, OSError):
        if sys.platform == "win32":
            process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            process.nice(max(process.nice(), _NICENESS))
    return process


def _used_bytes(process: psutil.Process) -> int:
    """Memory of a process and its children that the system cannot take back.

    On Linux resident pages of mapped files do not count: weights are read through such a map.
    """
    total = 0
    with contextlib.suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                memory = each.memory_info()
                total += memory.rss - getattr(memory, "shared", 0)
    return total


def child_environment(threads: int) -> dict[str, str]:
    """The environment of this process, with threads bounded and every way to the network shut."""
    number = str(threads)
    return os.environ | {
        "OMP_NUM_THREADS": number,
        "MKL_NUM_THREADS": number,
        "OPENBLAS_NUM_THREADS": number,
        "RAYON_NUM_THREADS": number,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_DEACTIVATE_ASYNC_LOAD": "1",  # else transformers loads with threads of its own
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "CUDA_VISIBLE_DEVICES": "",  # the GPU's memory is for the model that answers
    }
