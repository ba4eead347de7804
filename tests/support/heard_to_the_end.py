"""A client that talks on until the server closes the connection, and counts what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from audio.types import SAMPLE_RATE_HZ
from tests.support.speech import pcm16, pieces, utterances

BLOCK_S = 0.1
TOLERANCE_MS = 80
"""At the edges of words, by which detectors may be wrong."""

ON_ITS_WAY_MS = 200
"""Two blocks of a client that speaks in real time."""

Span = tuple[int, float]
"""From and to, in ms of the stream's clock."""


@dataclass
class Talk:
    """One connection, the only speaker of its session, from the first word to its close."""

    spoken: Sequence[Span] = ()
    """Where somebody speaks in the audio."""
    events: list[dict[str, Any]] = field(default_factory=list)
    sent_ms: float = 0.0
    close_code: int | None = None
    close_reason: str = ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def finals(self) -> list[dict[str, Any]]:
        return self.of("final_transcription")

    @property
    def gaps(self) -> list[dict[str, Any]]:
        return self.of("gap")

    @property
    def lost_ms(self) -> float:
        """Of audio that was accepted, in gaps."""
        return float(sum(g["end_ms"] - g["start_ms"] for g in self.gaps if "end_ms" in g))

    @property
    def accepted_ms(self) -> float:
        """Up to where the server took the audio."""
        ends = [float(gap["start_ms"]) for gap in self.gaps if "end_ms" not in gap]
        return min([*ends, self.sent_ms])

    def told(self) -> list[Span]:
        """What finals and gaps cover, in order. AssertionError if that is something twice."""
        spans: list[Span] = sorted(
            (event["start_ms"], float(event.get("end_ms", "inf")))
            for event in (*self.finals, *self.gaps)
        )
        for before, after in itertools.pairwise(spans):
            assert before[1] <= after[0] + 1, (before, after)
        return spans

    def missing(self) -> list[Span]:
        """What was spoken and sent, and is in no final and in no gap.

        What was on its way when the server closed was not accepted.
        """
        missing: list[Span] = []
        spans = self.told()
        arrived_ms = self.sent_ms - ON_ITS_WAY_MS
        for start, spoken_end in self.spoken:
            at, end = float(start), min(spoken_end, arrived_ms)
            for told_start, told_end in (*spans, (round(self.sent_ms) + 1, float("inf"))):
                if min(end, told_start) - at > TOLERANCE_MS:
                    missing.append((round(at), min(end, told_start)))
                at = max(at, told_end)
        return missing

    def syllables_wrong(self) -> list[tuple[int, float]]:
        """Finals of the scripted engine whose syllables are not those that were spoken there."""
        wrong = []
        for final in self.finals:
            voiced_ms = sum(
                max(0.0, min(end, final["end_ms"]) - max(start, final["start_ms"]))
                for start, end in self.spoken
            )
            said, expected = len(final["text"]) // 2, voiced_ms / 200
            if abs(said - expected) > 2:
                wrong.append((said, expected))
        return wrong


def sentences(*seconds: float, pause_s: float = 1.0) -> tuple[bytes, list[Span]]:
    """Audio for the scripted engine, and where it speaks."""
    spans: list[Span] = []
    at_ms = 400.0
    for length in seconds:
        spans.append((round(at_ms), at_ms + 1_000 * length))
        at_ms += 1_000 * (length + pause_s)
    return pcm16(utterances(*seconds, pause_s=pause_s)), spans


async def talk(
    url: str, audio: bytes, spoken: Sequence[Span] = (), *, paced: bool, query: str = "events=all"
) -> Talk:
    """Send it all, and listen until the server closes."""
    made = Talk(spoken)
    async with connect(f"{url}/?{query}", max_size=None) as socket:

        async def send() -> None:
            size = round(BLOCK_S * SAMPLE_RATE_HZ) * 2 if paced else 32_000
            began_s = asyncio.get_running_loop().time()
            with contextlib.suppress(ConnectionClosed):
                for number, block in enumerate(pieces(audio, size), start=1):
                    await socket.send(block)
                    made.sent_ms += len(block) / 32
                    if paced:
                        late_s = asyncio.get_running_loop().time() - began_s
                        await asyncio.sleep(max(0.0, number * BLOCK_S - late_s))

        sending = asyncio.create_task(send())
        try:
            async for message in socket:
                made.events.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        made.close_code, made.close_reason = socket.close_code, socket.close_reason or ""
    return made
