"""Short work in a Python process of its own, since what may hang or crash must not do it here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.package_check import ROOT


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What it printed; `ending` says how it ended if not by itself."""

    output: str
    errors: str
    ending: str = ""


def run_python(
    arguments: Sequence[str], limit_s: float, variables: Mapping[str, str] | None = None
) -> ChildResult:
    """Run this Python in the project's folder and wait (blocking); killed after `limit_s`."""
    environment = {**os.environ, "PYTHONUTF8": "1", **(variables or {})}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ChildResult("", "", f"it did not end in {limit_s:.0f} s")
    except OSError as error:
        return ChildResult("", "", f"it did not start ({error})")
    ending = ""
    if done.returncode < 0 or done.returncode > 2:  # a signal; on Windows an exception's number
        ending = f"the process died (status {done.returncode})"
    return ChildResult(done.stdout, done.stderr, ending)


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
