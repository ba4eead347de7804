"""Clips from a jsonl file: `id`, `file` (WAV, 16 kHz mono 16-bit), `text`, `seconds`."""

from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pcm16 = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and what is said in it. `row` is its whole line of the jsonl file."""

    id: str
    path: Path
    text: str
    seconds: float
    row: dict[str, Any]

    def samples(self) -> Pcm16:
        """Mono 16-bit samples at 16 kHz. Raises ValueError for any other WAV."""
        with wave.open(str(self.path)) as file:
            layout = (file.getframerate(), file.getnchannels(), file.getsampwidth())
            if layout != (16_000, 1, 2):
                raise ValueError(f"{self.path}: not 16 kHz mono 16-bit: {layout}")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def evaluation_folder() -> Path:
    """Where the Thai evaluation audio lies: THAI_EVAL_DIR, or beside the checkout."""
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("THAI_EVAL_DIR", root.parent / "shared" / "thai_eval"))


def load_clips(jsonl: Path) -> list[Clip]:
    """Every clip of a jsonl file; paths in it are relative to the file's folder."""
    rows = (json.loads(line) for line in jsonl.read_text(encoding="utf-8").splitlines() if line)
    return [
        Clip(row["id"], jsonl.parent / row["file"], row["text"], row["seconds"], row)
        for row in rows
    ]
