"""Say whether there is an NVIDIA card and what follows. Never fails; standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

LIMIT_S = 10
"""Longest wait for nvidia-smi, which hangs where a driver is broken."""

NONE = "No NVIDIA card was found: the server runs on the CPU."
READY = "NVIDIA card: {}. The CUDA 12 libraries are installed."
FOUND = (
    "NVIDIA card: {}. For the server to use it, install the CUDA 12 libraries (0.6 GB), once: {}"
)
BROKEN = (
    "nvidia-smi is here but finds no card: the server runs on the CPU. If there is one, install "
    "its driver again."
)


def find_nvidia_smi() -> str | None:
    """The driver's tool. Older drivers on Windows put it where no PATH leads."""
    folder = os.path.join(os.environ.get("PROGRAMFILES", ""), "NVIDIA Corporation", "NVSMI")
    return shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=folder)


def cards(nvidia_smi: str) -> list[str]:
    """The names of the cards, none if they cannot be told."""
    try:
        done = subprocess.run(
            [nvidia_smi, "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", done.stdout, re.M)


def libraries_are_installed(venv: Path) -> bool:
    """Whether the wheel of requirements_gpu.txt is in the environment that the server runs in."""
    places = ("lib/python*/site-packages", "Lib/site-packages")  # elsewhere, Windows
    return any(True for place in places for _ in venv.glob(f"{place}/nvidia/cublas"))


def install_command() -> str:
    """What a person types in this folder to install them."""
    pip = r".venv\Scripts\pip" if os.name == "nt" else ".venv/bin/pip"
    return f"{pip} install -r requirements_gpu.txt"


def in_words(venv: Path) -> str:
    """One line for a person."""
    nvidia_smi = find_nvidia_smi()
    if nvidia_smi is None:
        return NONE
    found = cards(nvidia_smi)
    if not found:
        return BROKEN
    names = ", ".join(found)
    if libraries_are_installed(venv):
        return READY.format(names)
    return FOUND.format(names, install_command())


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    print(in_words(Path(__file__).resolve().parent.parent / ".venv"), flush=True)
