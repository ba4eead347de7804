"""Figures of one paced stream, from what was sent and what came back. Pure.

Times are seconds from the first sample sent; the sender keeps real time, so a sample's position on
the stream's clock is also the time at which it left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asr.agreement import align_prefix
from benchmarks.dataset import Clip, Pcm16
from benchmarks.scoring import cer, for_scoring

FRAME_SAMPLES = 160
VOICED_BELOW_PEAK_DB = 35.0
TOUCHES_S = 0.05
"""An utterance's range belongs to a clip that it overlaps by more than this."""

TimedEvent = tuple[float, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Placed:
    """A clip's place in a stream: file bounds and voiced bounds, in seconds."""

    clip: Clip
    start_s: float
    end_s: float
    first_voice_s: float
    last_voice_s: float


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """What the stream made of one clip."""

    clip_id: str
    first_partial_s: float | None
    final_s: float | None
    errors: int
    reference_chars: int
    partials: int
    speech_s: float
    retracted_chars: int
    utterances: int
    text: str


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What one stream gave."""

    clips: tuple[ClipFigures, ...]
    stable_retractions: int
    stable_chars: int
    stable_errors: int
    """Characters edited between the last stable text and the beginning of the final."""
    duplicated: int
    overlapping: int
    failed: int
    stray_chars: int
    """Characters of finals and partials outside every clip."""
    silence_s: float


def voiced_bounds(samples: Pcm16) -> tuple[float, float]:
    """First and last moment of a clip louder than 35 dB below its loudest 10 ms, in seconds."""
    usable = len(samples) - len(samples) % FRAME_SAMPLES
    frames = samples[:usable].reshape(-1, FRAME_SAMPLES).astype(np.float64)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-VOICED_BELOW_PEAK_DB / 10))
    return loud[0] * FRAME_SAMPLES / 16_000, (loud[-1] + 1) * FRAME_SAMPLES / 16_000


def figures(placed: Sequence[Placed], events: Sequence[TimedEvent]) -> StreamFigures:
    """All figures of one stream."""
    partials = [e for e in events if e[1]["type"] == "realtime_transcription"]
    finals = [e for e in events if e[1]["type"] == "final_transcription"]
    stable_errors, stable_chars = _stable_against_final(partials, finals)
    spans = sorted((f["start_ms"], f["end_ms"]) for _, f in finals)
    inside = [_owner(placed, event) for _, event in (*partials, *finals)]
    stray = sum(
        len(event["text"])
        for owner, (_, event) in zip(inside, (*partials, *finals), strict=True)
        if owner is None
    )
    ids = [event["utterance_id"] for _, event in finals]
    speech_s = sum(p.end_s - p.start_s for p in placed)
    return StreamFigures(
        clips=tuple(_clip_figures(p, placed, partials, finals) for p in placed),
        stable_retractions=_stable_retractions(partials),
        stable_chars=stable_chars,
        stable_errors=stable_errors,
        duplicated=len(ids) - len(set(ids)),
        overlapping=sum(a[1] > b[0] for a, b in itertools.pairwise(spans)),
        failed=sum(event["type"] == "error" for _, event in events),
        stray_chars=stray,
        silence_s=(placed[-1].end_s if placed else 0.0) - speech_s,
    )


def _owner(placed: Sequence[Placed], event: dict[str, Any]) -> Placed | None:
    """The clip that an utterance's range lies in, at least in part."""
    start_s, end_s = event["start_ms"] / 1000, event["end_ms"] / 1000
    for place in placed:
        if min(end_s, place.end_s) - max(start_s, place.start_s) > TOUCHES_S:
            return place
    return None


def _clip_figures(
    place: Placed,
    placed: Sequence[Placed],
    partials: Sequence[TimedEvent],
    finals: Sequence[TimedEvent],
) -> ClipFigures:
    own_partials = [e for e in partials if _owner(placed, e[1]) is place]
    own_finals = [e for e in finals if _owner(placed, e[1]) is place]
    text = " ".join(event["text"] for _, event in own_finals)
    errors, length = cer(place.clip.text, text)
    return ClipFigures(
        clip_id=place.clip.id,
        first_partial_s=own_partials[0][0] - place.first_voice_s if own_partials else None,
        final_s=own_finals[-1][0] - place.last_voice_s if own_finals else None,
        errors=errors,
        reference_chars=length,
        partials=len(own_partials),
        speech_s=place.last_voice_s - place.first_voice_s,
        retracted_chars=_retracted(event for _, event in own_partials),
        utterances=len(own_finals),
        text=text,
    )


def _retracted(partials: Iterable[dict[str, Any]]) -> int:
    """Characters shown in one partial and gone from the next of the same utterance."""
    shown: dict[int, str] = {}
    total = 0
    for partial in partials:
        before = shown.get(partial["utterance_id"], "")
        total += len(before) - _common(before, partial["text"])
        shown[partial["utterance_id"]] = partial["text"]
    return total


def _common(a: str, b: str) -> int:
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
    return sum(1 for _ in same)


def _stable_retractions(partials: Sequence[TimedEvent]) -> int:
    stable: dict[int, str] = {}
    retractions = 0
    for _, partial in partials:
        before = stable.get(partial["utterance_id"], "")
        retractions += not partial["stable_text"].startswith(before)
        retractions += not partial["text"].startswith(partial["stable_text"])
        stable[partial["utterance_id"]] = partial["stable_text"]
    return retractions


def _stable_against_final(
    partials: Sequence[TimedEvent], finals: Sequence[TimedEvent]
) -> tuple[int, int]:
    """Characters of last stable texts, and edits that make them beginnings of their finals."""
    stable = {p["utterance_id"]: p["stable_text"] for _, p in partials}
    errors = chars = 0
    for _, final in finals:
        text = for_scoring(stable.get(final["utterance_id"], ""))
        errors += align_prefix(text, for_scoring(final["text"]))[0]
        chars += len(text)
    return errors, chars
