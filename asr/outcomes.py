"""Who waits for which outcome: every request gets exactly one. Pure."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from asr.batching import OVERLOADED
from asr.decode_call import Decoded
from asr.engine import EngineError, Prepared
from asr.types import DecodeDropped, DecodeFailed, DecodeOutcome, DecodeRequest, DecodeResult

logger = logging.getLogger(__name__)

Deliver: TypeAlias = Callable[[DecodeOutcome], None]
Settled: TypeAlias = list[tuple[Deliver, DecodeOutcome]]
"""Outcomes that count, on their way to their receivers."""


class OpenRequests:
    """Requests without an outcome yet. Bounded by their callers, who wait for outcomes."""

    def __init__(self) -> None:
        self._open: dict[DecodeRequest, Deliver] = {}
        self._dropped: Counter[str] = Counter()
        self.failed = 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many were dropped so far, by reason."""
        return MappingProxyType(dict(self._dropped))

    def __contains__(self, request: DecodeRequest) -> bool:
        return request in self._open

    def add(self, request: DecodeRequest, deliver: Deliver) -> None:
        """A request came in. Raises ValueError if it is here already."""
        if request in self._open:
            raise ValueError(f"request {request.request_id} is here already")
        self._open[request] = deliver

    def of_model(self, model_id: str | None) -> list[DecodeRequest]:
        """Requests for one model, or (None) all, in the order in which they came."""
        return [request for request in self._open if model_id in (None, request.model_id)]

    def settle(self, outcomes: Iterable[DecodeOutcome]) -> Settled:
        """Close the requests of `outcomes`; those that had an outcome already are left out."""
        settled: Settled = []
        for outcome in outcomes:
            deliver = self._open.pop(outcome.request, None)
            if deliver is None:
                continue
            if isinstance(outcome, DecodeDropped):
                self._dropped[outcome.reason] += 1
            self.failed += isinstance(outcome, DecodeFailed)
            settled.append((deliver, outcome))
        return settled


def deliver_all(settled: Settled) -> None:
    """Hand out outcomes. One receiver's fault does not cost the others theirs."""
    for deliver, outcome in settled:
        try:
            deliver(outcome)
        except Exception:
            logger.exception("a receiver of decode outcomes failed")


def outcomes_of(batch: Sequence[Prepared], decoded: Decoded, answered: str) -> list[DecodeOutcome]:
    """What a decode by the model `answered` brought to each of its requests."""
    outcomes: list[DecodeOutcome] = []
    for prepared, answer in zip(batch, decoded.answers, strict=True):
        request = prepared.request
        if isinstance(answer, EngineError):
            outcomes.append(DecodeFailed(request, answer.code, answer.message))
        else:
            queue_s = max(0.0, decoded.began_s - request.created_s)
            instead = answered if answered != request.model_id else None
            outcomes.append(
                DecodeResult(request, answer, queue_s, decoded.decode_s, len(batch), instead)
            )
    return outcomes


def told(dropped: DecodeDropped) -> DecodeOutcome:
    """A final that found no room is a failure for its client; other drops are no news."""
    if dropped.reason == OVERLOADED:
        return DecodeFailed(dropped.request, OVERLOADED, "too much audio waits to be decoded")
    return dropped
