"""Run all tests in two processes beside each other: half of the time is spent in waiting.

    python -m scripts.run_halves [PYTEST ARGUMENT ...]

One process has what works hard (real models, the browser), the other the rest. What the first
prints comes when it ends. The exit status is 0 only if both halves passed. Ctrl-C ends both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HARD = ("tests/browser", "tests/model")
NOTHING_TO_DO = 5
"""pytest's status where its arguments select no test: one half may have none."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. Below 0: by that signal."""

    status: int
    output: str


def halves(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command of the half that works hard, and that of the rest."""
    pytest = [sys.executable, "-m", "pytest", *arguments]
    return [*pytest, *HARD], [*pytest, *(f"--ignore={folder}" for folder in HARD)]


def run_beside(quiet: Sequence[str], loud: Sequence[str]) -> tuple[Result, int]:
    """Run two commands at once: what the first printed, and the status of the second."""
    with tempfile.TemporaryFile() as kept:
        beside = subprocess.Popen(quiet, stdout=kept, stderr=subprocess.STDOUT)
        try:
            status = subprocess.run(loud, check=False).returncode
            beside.wait()
        finally:
            if beside.poll() is None:
                beside.terminate()
                beside.wait()
        kept.seek(0)
        return Result(beside.returncode, kept.read().decode("utf-8", "replace")), status


def main(
    arguments: Sequence[str],
    run: Callable[[Sequence[str], Sequence[str]], tuple[Result, int]] = run_beside,
) -> int:
    """Run as the module says."""
    hard, rest = halves(arguments)
    quiet, status = run(hard, rest)
    sys.stdout.write(f"== {' '.join(hard[1:])}\n{quiet.output}")
    failed = [each for each in (status, quiet.status) if each not in (0, NOTHING_TO_DO)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
