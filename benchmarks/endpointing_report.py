"""What utterances an endpointing policy made, against what was said. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asr.effects import FinalText
from benchmarks.markdown import markdown
from benchmarks.offline import Range, touches
from benchmarks.scoring import Score, bootstrap_difference, cer, corpus_cer

TOUCHES_SAMPLES = 800
"""An utterance belongs to what it shares more than 50 ms with."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sentence of a recording: its text, its first and last voiced sample."""

    id: str
    text: str
    voiced: Range


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stream gave: utterances in order, and where on its clock each was ended.

    `pauses` holds the text at each pause and the silence, in ms, that was to end it.
    """

    finals: tuple[FinalText, ...]
    ended_at: tuple[int, ...]
    pauses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """One policy over some recordings.

    `latency_ms` has, for each part, the endpoint less the last voiced sample; None where the
    part was lost or its utterance runs into the next part.
    """

    latency_ms: tuple[float | None, ...]
    extra_utterances: tuple[int, ...]
    """For each part, in how many places it was cut."""
    merged: int
    """Neighbours that share an utterance."""
    lost: int
    """Parts without an utterance."""
    scores: tuple[Score, ...]
    """One for each recording."""
    pauses: tuple[tuple[str, int], ...]


def judge(outcomes: Sequence[tuple[Sequence[Part], Outcome]]) -> Tally:
    """Match utterances with what was said, recording by recording."""
    latency_ms: list[float | None] = []
    extra: list[int] = []
    merged = 0
    scores: list[Score] = []
    for parts, outcome in outcomes:
        own = [_utterances_of(part, outcome) for part in parts]
        shared = [bool(set(one) & set(other)) for one, other in itertools.pairwise(own)]
        for part, indices, runs_on in zip(parts, own, [*shared, False], strict=True):
            ended = bool(indices) and not runs_on
            end = outcome.ended_at[indices[-1]] if ended else 0
            latency_ms.append((end - part.voiced[1]) / 16 if ended else None)
            extra.append(max(0, len(indices) - 1))
        merged += sum(shared)
        reference = " ".join(part.text for part in parts)
        scores.append(cer(reference, " ".join(final.text for final in outcome.finals)))
    return Tally(
        latency_ms=tuple(latency_ms),
        extra_utterances=tuple(extra),
        merged=merged,
        lost=sum(not _utterances_of(part, o) for parts, o in outcomes for part in parts),
        scores=tuple(scores),
        pauses=tuple(pause for _, outcome in outcomes for pause in outcome.pauses),
    )


def _utterances_of(part: Part, outcome: Outcome) -> list[int]:
    return [
        index
        for index, final in enumerate(outcome.finals)
        if touches((final.start_sample, final.end_sample), part.voiced, TOUCHES_SAMPLES)
    ]


def median_difference_ms(
    ours: Tally, theirs: Tally, *, rounds: int = 10_000, seed: int = 1
) -> tuple[float, float, float]:
    """Median latency of one policy less that of another, with a 95 % interval.

    Parts are drawn in pairs, those only that have a latency under both policies.
    """
    pairs = [
        (a, b)
        for a, b in zip(ours.latency_ms, theirs.latency_ms, strict=True)
        if a is not None and b is not None
    ]
    both = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    drawn = np.random.default_rng(seed).integers(0, len(both), size=(rounds, len(both)))
    medians = np.median(both[drawn], axis=1)
    low, high = np.percentile(medians[:, 0] - medians[:, 1], (2.5, 97.5))
    middle = np.median(both, axis=0)
    return float(middle[0] - middle[1]), float(low), float(high)


def report(tallies: Mapping[str, Tally], baseline: str, default_ms: int) -> str:
    """All policies in one Markdown table; differences are to the baseline."""
    theirs = tallies[baseline]
    rows = [_row(name, ours, theirs, default_ms) for name, ours in tallies.items()]
    head = [
        *("end silence", "end latency p50, ms", "p95", "p50 against baseline"),
        *("cuts inside", "merged", "lost", "CER", "CER against baseline, points"),
        *("pauses", "shortened", "lengthened"),
    ]
    return markdown(head, rows)


def _row(name: str, ours: Tally, theirs: Tally, default_ms: int) -> list[str]:
    latency = [ms for ms in ours.latency_ms if ms is not None]
    p50, p95 = np.percentile(latency, (50, 95))
    gain, low, high = median_difference_ms(ours, theirs)
    points = f"{100 * (corpus_cer(ours.scores) - corpus_cer(theirs.scores)):+.1f}"
    if len(ours.scores) > 1:
        worse = bootstrap_difference(ours.scores, theirs.scores)
        points += " ({:+.1f} to {:+.1f})".format(*(100 * bound for bound in worse))
    return [
        *(name, f"{p50:.0f}", f"{p95:.0f}", f"{gain:+.0f} ({low:+.0f} to {high:+.0f})"),
        *(str(sum(ours.extra_utterances)), str(ours.merged), str(ours.lost)),
        *(f"{corpus_cer(ours.scores):.3f}", points, str(len(ours.pauses))),
        str(sum(ms < default_ms for _, ms in ours.pauses)),
        str(sum(ms > default_ms for _, ms in ours.pauses)),
    ]
