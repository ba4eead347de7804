"""`--doctor`: Python, the system, its processor, memory, text and clock."""

from __future__ import annotations

import locale
import os
import platform
import struct
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from asr.device import DeviceProbe
from asr.memory_rule import in_gb
from server.findings import Finding, note, ok, problem, warning

OLDEST = (3, 11)
NEWEST_KNOWN = (3, 14)
ENOUGH_RAM_MB = 2_000
EARLIEST_YEAR = 2025


def check_python(
    version: tuple[int, int, int] = sys.version_info[:3],
    bits: int = struct.calcsize("P") * 8,
    executable: str = sys.executable,
) -> Finding:
    """Version and word size."""
    words = f"{'.'.join(map(str, version))}, {bits}-bit ({executable})"
    if version[:2] < OLDEST or bits != 64:
        return problem("Python", words, "install Python 3.11 to 3.14 (64-bit) from python.org")
    if version[:2] > NEWEST_KNOWN:
        return warning(
            "Python", f"{words}: newer than what this server was tried with", "use 3.11 to 3.14"
        )
    return ok("Python", words)


def check_system(cpu_count: int) -> Finding:
    """Name of the system, and processors."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if is_wsl(platform.release()):
        system += ", in WSL"
    return ok("system", f"{system}; {cpu_count} processor(s) for this process")


def is_wsl(release: str) -> bool:
    """Whether this Linux runs inside Windows."""
    return "microsoft" in release.lower()


def check_memory(probe: DeviceProbe) -> Finding:
    """Memory of the machine."""
    memory = probe.memory("cpu")
    if memory is None:
        return note("memory", "cannot be told")
    words = f"{in_gb(memory.free_mb)} of {in_gb(memory.total_mb)} are free"
    if memory.free_mb < ENOUGH_RAM_MB:
        return warning(
            "memory", words, "close other programs; the built-in model takes about 0.6 GB"
        )
    return ok("memory", words)


def check_text(environment: Mapping[str, str], encoding: str | None = None) -> Finding:
    """Whether Thai text can be written to a console and to files."""
    encoding = encoding or locale.getpreferredencoding(False)
    words = f"{encoding}, LANG={environment.get('LANG', '')}"
    if encoding.lower().replace("-", "") == "utf8":
        return ok("text", words)
    advice = "set PYTHONUTF8=1"
    if os.name == "nt":
        advice += "; in a console that shows no Thai: chcp 65001, or use Windows Terminal"
    return note("text", f"{words}: programs beside this server may not write Thai", advice)


def check_clock(now: datetime | None = None) -> Finding:
    """Whether the clock can be right: certificates are refused where it is not."""
    now = now or datetime.now(UTC)
    words = now.strftime("%Y-%m-%d %H:%M UTC")
    if now.year < EARLIEST_YEAR:
        return warning("clock", words, "set the clock: secure connections fail with a wrong one")
    return ok("clock", words)
