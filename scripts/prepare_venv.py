"""Make a virtual environment and install requirements into it, if they changed.

Standard library only: the start scripts and run_tests.sh run it with whatever Python they find.

    python prepare_venv.py --check                   exit status 0 if this Python can be used
    python prepare_venv.py VENV REQUIREMENTS...      exit status 0 if VENV is ready
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

OLDEST, NEWEST = (3, 11), (3, 14)
"""Python versions for which every requirement has a wheel."""

STAMP = "installed-requirements.sha256"
"""File in the environment: the digest of what was installed into it, written on success only."""

LOG = "install.log"
"""File in the environment: all that pip said at the last installation."""

TAIL_LINES = 15
"""Lines of the log that are shown when an installation fails."""

USABLE = f"import sys; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"


class PrepareError(Exception):
    """The environment cannot be made ready. The message says what to do."""


def is_usable() -> bool:
    """Whether this very interpreter can run the project: its version, and 64 bits."""
    return OLDEST <= sys.version_info[:2] <= NEWEST and sys.maxsize > 2**32


def venv_python(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def digest(requirements: Sequence[Path]) -> str:
    """SHA-256 over the requirement files, one after the other."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in requirements)).hexdigest()


def prepare(venv: Path, requirements: Sequence[Path]) -> None:
    """Make `venv` if it is missing or broken, and install what changed. Raises PrepareError."""
    make(venv)
    stamp, wanted = venv / STAMP, digest(requirements)
    if stamp.is_file() and stamp.read_bytes() == wanted.encode():
        return
    stamp.unlink(missing_ok=True)
    install(venv, requirements)
    stamp.write_text(wanted)


def make(venv: Path) -> None:
    """Make the environment, unless there is one that works. Raises PrepareError."""
    python = venv_python(venv)
    if not _runs(python, "-c", USABLE):
        say(f"Making {venv.name} with Python {sys.version.split()[0]} ...")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=False)
    if python.exists() and not _runs(python, "-c", "import pip"):  # interrupted half-way
        subprocess.run([str(python), "-m", "ensurepip"], check=False)
    if not _runs(python, "-c", "import pip"):
        raise PrepareError(
            f"{venv} could not be made (see above). On Debian and Ubuntu the part of Python that "
            "makes it is a package of its own: sudo apt install python3-venv"
        )


def install(venv: Path, requirements: Sequence[Path]) -> None:
    """Install with pip, showing where it is. Raises PrepareError, with the end of pip's log."""
    names = ", ".join(path.name for path in requirements)
    say(f"Installing {names} into {venv.name} (once; takes minutes on a slow line) ...")
    command = [str(venv_python(venv)), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--no-input", "--progress-bar", "off"]
    command += ["--only-binary", ":all:"]  # a missing wheel must say so, not look for a compiler
    for path in requirements:
        command += ["-r", str(path)]
    log = venv / LOG
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with (
        Progress(sys.stdout) as progress,
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
            encoding="utf-8",
            errors="replace",
        ) as pip,
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            file.write(line)
            tail.append(line)
            progress.heard(line)
    if pip.returncode:
        print("".join(tail).rstrip(), file=sys.stderr, flush=True)
        raise PrepareError(
            f"installing failed (see above; everything pip said is in {log}). Check the internet "
            f"connection and start again; to begin afresh, delete the folder {venv}"
        )
    say("Installed.")


MB_OF = {"bytes": 1e-6, "kB": 0.001, "MB": 1.0, "GB": 1000.0}


class Progress:
    """What pip says, in one line: at a terminal it changes in place, elsewhere one per stage."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._live = out.isatty()
        self._stage = ""
        self._shown = ""
        self._fetched_mb = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the line, for what comes next."""
        if self._live and self._shown:
            self._out.write("\n")
            self._out.flush()

    def heard(self, line: str) -> None:
        """One line of pip's output."""
        with contextlib.suppress(IndexError, ValueError):  # a line of another shape says nothing
            self._heard(line)

    def _heard(self, line: str) -> None:
        words = line.split()
        if line.startswith("Installing collected packages:"):
            self._show("Unpacking", f" {len(words) - 3} packages")
        elif words and words[0] in ("Collecting", "Downloading"):
            file = words[0] == "Downloading"  # else a requirement: name, versions, extras
            name = re.split("-" if file else r"[^\w.-]", words[1].rpartition("/")[2])[0]
            self._show("Downloading", f" {name}{self._sizes(words)}")

    def _sizes(self, words: list[str]) -> str:
        """The size of what is fetched now, and of all before it, where pip tells it."""
        before_mb = self._fetched_mb
        size = ""
        if words[0] == "Downloading" and len(words) == 4 and words[3].rstrip(")") in MB_OF:
            size = f" {words[2]} {words[3]}"
            self._fetched_mb += float(words[2].lstrip("(")) * MB_OF[words[3].rstrip(")")]
        return f"{size}, {before_mb:.0f} MB done"

    def _show(self, stage: str, detail: str) -> None:
        if not self._live:
            if stage != self._stage:
                self._out.write(f"  {stage} ...\n")
                self._out.flush()
        else:
            width = shutil.get_terminal_size().columns - 1
            text = f"  {stage}{detail} ..."[:width]
            self._out.write("\r" + text.ljust(min(len(self._shown), width)))
            self._out.flush()
            self._shown = text
        self._stage = stage


def say(text: str) -> None:
    """Tell the person at the terminal, before what pip will say."""
    print(text, flush=True)


def _runs(python: Path, *arguments: str) -> bool:
    try:
        done = subprocess.run([str(python), *arguments], check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def main(arguments: Sequence[str]) -> int:
    """Run as the module says; the exit status is 1 for a Python or an environment of no use."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    if arguments == ["--check"]:
        return 0 if is_usable() else 1
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        prepare(Path(arguments[0]).absolute(), [Path(name) for name in arguments[1:]])
    except (PrepareError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the next start goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
