"""What the NVIDIA driver's own tool tells of the cards.

A program of its own, so that no package is needed and a broken driver cannot hang this process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LIMIT_S: Final = 10
"""Longest wait: the tool hangs where a driver is broken."""

_QUERIES: Final = (
    ("name", "driver_version", "memory.total", "memory.free", "uuid", "compute_cap"),
    ("name", "driver_version", "memory.total", "memory.free", "uuid"),  # drivers before 510
)


@dataclass(frozen=True, slots=True)
class Card:
    """One NVIDIA card. What the driver does not tell is empty or None."""

    name: str
    driver: str = ""
    total_mb: int | None = None
    free_mb: int | None = None
    uuid: str = ""
    capability: tuple[int, int] | None = None
    """Compute capability, (8, 6) for instance."""


def find_tool(environment: Mapping[str, str]) -> str | None:
    """Where `nvidia-smi` is. Older drivers on Windows put it where no PATH leads."""
    folder = os.path.join(environment.get("PROGRAMFILES", ""), "NVIDIA Corporation", "NVSMI")
    return shutil.which("nvidia-smi", path=environment.get("PATH")) or shutil.which(
        "nvidia-smi", path=folder
    )


def ask(environment: Mapping[str, str], limit_s: float = LIMIT_S) -> tuple[Card, ...]:
    """Every card; none if there is none or the tool does not answer (blocking)."""
    tool = find_tool(environment)
    if tool is None:
        return ()
    for fields in _QUERIES:
        command = [tool, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ()
        if done.returncode == 0:
            return parse(done.stdout)
    return ()


def parse(text: str) -> tuple[Card, ...]:
    """Cards from the tool's lines of comma-separated values."""
    found = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) < 5:
            continue
        found.append(
            Card(
                name=values[0],
                driver=values[1],
                total_mb=_number(values[2]),
                free_mb=_number(values[3]),
                uuid=values[4],
                capability=_capability(values[5]) if len(values) > 5 else None,
            )
        )
    return tuple(found)


def visible(cards: Sequence[Card], environment: Mapping[str, str]) -> tuple[Card, ...]:
    """The cards that CUDA may use, in its order as far as that can be told.

    With several cards and no word of the user CUDA takes the fastest first, which the tool does
    not tell; then the one with the least free memory stands first, so that no estimate is too
    hopeful.
    """
    wanted = environment.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return tuple(sorted(cards, key=lambda card: card.free_mb or 0))
    chosen = []
    for name in (part.strip() for part in wanted.split(",")):
        card = _named(name, cards)
        if card is None:  # CUDA reads no further either
            break
        chosen.append(card)
    return tuple(chosen)


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability in words."""
    return f"{capability[0]}.{capability[1]}"


def _named(name: str, cards: Sequence[Card]) -> Card | None:
    if name.isdecimal():
        return cards[int(name)] if int(name) < len(cards) else None
    matching = [card for card in cards if name and card.uuid.startswith(name)]
    return matching[0] if matching else None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None  # "[N/A]" of a card that is shared out


def _capability(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
