"""Peers in virtual environments of their own, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers import realtimestt, whisperlive

_MARKER: Final = "installed.txt"


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed(venv: Path) -> bool:
    """Whether an installation into it was finished."""
    return (venv / _MARKER).is_file()


def install_all(venvs: Path, torch_requirement: str) -> None:
    """Install every peer. Raises subprocess.CalledProcessError where pip fails."""
    _install(venvs / "realtimestt", (torch_requirement, *realtimestt.REQUIREMENTS))
    _install(
        venvs / "whisperlive",
        (torch_requirement, *whisperlive.REQUIREMENTS),
        whisperlive.BARE_REQUIREMENTS,
    )


def _install(venv: Path, requirements: Sequence[str], bare: Sequence[str] = ()) -> None:
    """Make a virtual environment, unless it has these requirements; `bare` without dependencies."""
    wanted = "\n".join((*requirements, *bare))
    marker = venv / _MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == wanted:
        sys.stderr.write(f"{venv}: is there\n")
        return
    sys.stderr.write(f"{venv}: installing, this takes minutes\n")
    marker.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(python_of(venv)), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *requirements], check=True)
    if bare:
        subprocess.run([*pip, "--no-deps", *bare], check=True)
    marker.write_text(wanted, encoding="utf-8")
