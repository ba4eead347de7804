"""How long what was accepted takes to decode, and whether more may be. Pure.

A server that is stopped has `drain_s` to make finals of all it accepted. What decodes cost in the
profile `fast` is measured when a model is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from asr.calibration import TRIAL_SPEECH_S, DecodeCosts
from asr.engine import EngineInfo
from asr.types import DecodeResult

USED_SHARE: Final = 0.6
"""Of the time there is, for decodes: the rest is for the decodes that run when it begins, for
finding the speech, and for a machine that is busier than when it was measured."""

LEAST_SPEECH_S: Final = 2.0
"""Decodes of less are mostly a fixed cost."""
NEWEST_SHARE: Final = 0.1
"""Of the newest decode in the mean."""


@dataclass(frozen=True, slots=True)
class DecodeSpeed:
    """What decoding costs here: seconds of one worker for a second of speech, and the workers."""

    cost: float
    workers: int


@dataclass(frozen=True, slots=True)
class Work:
    """What was accepted and is not decoded: seconds of audio, and how many ended utterances."""

    audio_s: float
    finals: int

    def __add__(self, other: Work) -> Work:
        return Work(self.audio_s + other.audio_s, self.finals + other.finals)


def fast_speed(costs: DecodeCosts | None, info: EngineInfo) -> DecodeSpeed | None:
    """By a model's measured costs, in batches where that is quicker; None if there are none."""
    if costs is None:
        return None
    cost = costs.partial_s / TRIAL_SPEECH_S
    if costs.batch_s is not None:
        cost = min(cost, costs.batch_s / (TRIAL_SPEECH_S * info.max_batch))
    return DecodeSpeed(cost, info.workers)


class ObservedCost:
    """What quick decodes have cost of late: a machine may be busier than when it was measured."""

    def __init__(self) -> None:
        self._cost = 0.0

    def note(self, result: DecodeResult) -> None:
        """A decode came back. One with a beam or the full window says nothing of quick ones."""
        request = result.request
        quick = request.options.beam_size == 1 and request.options.context_margin_ms is not None
        if quick and request.audio_s >= LEAST_SPEECH_S:
            cost = result.decode_s / (result.batch_size * request.audio_s)
            self._cost += NEWEST_SHARE * (cost - self._cost)

    def slowed(self, speed: DecodeSpeed) -> DecodeSpeed:
        """A measured speed, or what is observed if that is slower."""
        return replace(speed, cost=max(speed.cost, self._cost))


def drain_estimate_s(audio_s: float, speed: DecodeSpeed) -> float:
    """Seconds until so much speech is decoded by all workers."""
    return audio_s * speed.cost / speed.workers


def admits(
    more_s: float, own: Work, everybody: Work, speed: DecodeSpeed | None, drain_s: float
) -> bool:
    """Whether a connection may add `more_s` of audio to its `own` work and `everybody`'s.

    One that waits for no final always may, for only more audio brings its utterance to an end, and
    so may everybody as long as a worker would have no final to decode.
    """
    if own.finals == 0 or speed is None or everybody.finals < speed.workers:
        return True
    return drain_estimate_s(everybody.audio_s + more_s, speed) <= USED_SHARE * drain_s
