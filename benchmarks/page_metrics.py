"""What the page's measurements are made of: texts, events, percentiles, bars. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.markdown import markdown

TALK = (
    "วันนี้ เรา จะ มา คุย เรื่อง การ ประชุม ประจำ เดือน ของ บริษัท ครับ เมื่อ เช้า อากาศ ดี มาก เลย "
    "ราคา น้ำมัน เพิ่มขึ้น อีกแล้ว ตาม ที่ ผู้เชี่ยวชาญ กล่าว ไว้ ใน กรุงเทพฯ และ จังหวัด ใกล้เคียง ต่างๆ "
    "ขอบคุณ ทุกท่าน ที่ เข้าร่วม ช่วย ส่ง เอกสาร ให้ ด้วย ได้ไหม ไม่แน่ใจ ว่า จะ ทัน หรือเปล่า นะคะ"
)
WORDS = tuple(TALK.split(" "))
SHORTEST, LONGEST = 10, 60
"""Characters of a final."""


def sentences(count: int, seed: int = 1) -> list[str]:
    """Thai finals of 10 to 60 characters, always the same for a seed."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        wanted = chance.integers(SHORTEST, LONGEST, endpoint=True)
        text = str(chance.choice(WORDS))
        while len(text) < SHORTEST or len(text) < wanted:
            text += str(chance.choice(WORDS))
        found.append(text[:LONGEST])
    return found


def final_event(text: str, utterance_id: int) -> dict[str, Any]:
    """A `final_transcription` as a server sends it."""
    start_ms = utterance_id * 3_000
    return {
        "type": "final_transcription",
        "text": text,
        "is_final": True,
        "duration": 2.5,
        "processing_time": 0.8,
        "speed_ratio": 3.1,
        "model": "openai/whisper-base",
        "model_id": "whisper-base",
        "timestamp": "2025-09-03T10:30:02.500Z",
        "session_id": "default",
        "stream_id": "benchmark.1",
        "utterance_id": utterance_id,
        "revision": 2,
        "start_ms": start_ms,
        "end_ms": start_ms + 2_500,
        "confidence": 0.9,
    }


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that `part` (0..1) of the values do not exceed. ValueError if none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1))]


def ages_ms(sent: Sequence[tuple[float, float]]) -> list[float]:
    """How old the newest sample of each block was when it was sent.

    `sent` holds for each block when it was sent (ms) and how much audio (ms) had been sent with
    it. The promptest block counts as sent at once: the way from the device to the page is not
    seen from the page.
    """
    offsets = [at - audio for at, audio in sent]
    return [offset - min(offsets) for offset in offsets]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `bar` is what it must stay below, None where there is none."""

    name: str
    value: float
    unit: str
    bar: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is not below its bar."""
        return self.bar is not None and not self.value < self.bar


def added(age: Sequence[float], paint: Sequence[float]) -> list[Figure]:
    """What the page adds to the server's own latency (ms), from its two parts."""
    parts = (("capture to send", age), ("arrival to paint", paint))
    figures = [
        Figure(f"{name}, {label}", percentile(values, part), "ms")
        for name, values in parts
        for label, part in (("median", 0.5), ("p95", 0.95))
    ]
    median = statistics.median(age) + statistics.median(paint)
    p95 = percentile(age, 0.95) + percentile(paint, 0.95)
    return [
        *figures,
        Figure("added by the page, median", median, "ms", 150),
        Figure("added by the page, p95", p95, "ms", 150),
    ]


def table(figures: Sequence[Figure]) -> str:
    """The figures in Markdown."""
    rows = [
        [
            figure.name,
            f"{figure.value:.4g} {figure.unit}",
            "" if figure.bar is None else f"{figure.bar:g}",
            "missed" if figure.missed else "",
        ]
        for figure in figures
    ]
    return markdown(("what", "figure", "below", ""), rows)
