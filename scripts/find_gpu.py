"""Say whether there is an NVIDIA card and what follows. Never fails; standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

LIMIT_S = 10
"""Longest wait for nvidia-smi, which hangs where a driver is broken."""

NONE = "No NVIDIA card was found: the server runs on the CPU."
FOUND = "NVIDIA card: {}. The server uses it if the CUDA 12 libraries (cuBLAS) are installed."
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


def in_words() -> str:
    """One line for a person."""
    nvidia_smi = find_nvidia_smi()
    if nvidia_smi is None:
        return NONE
    found = cards(nvidia_smi)
    return FOUND.format(", ".join(found)) if found else BROKEN


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    print(in_words(), flush=True)
