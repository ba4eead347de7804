"""Requests for a model that is not there yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from asr.batching import RETIRED, SUPERSEDED
from asr.types import DecodeDropped, DecodeKind, DecodeRequest


class HeldRequests:
    """Finals in their order, and of each stream the newest partial only.

    Bounded by its callers: each stream has a few finals open at a time and waits for them.
    """

    def __init__(self) -> None:
        self._held: dict[str, list[DecodeRequest]] = {}

    def hold(self, model_id: str) -> None:
        """Keep requests for this model from now on."""
        self._held.setdefault(model_id, [])

    def holds(self, model_id: str) -> bool:
        """Whether requests for this model are kept."""
        return model_id in self._held

    def add(self, request: DecodeRequest) -> list[DecodeDropped]:
        """Keep a request; what it makes needless is dropped."""
        held = self._held[request.model_id]
        needless = [
            other
            for other in held
            if request.kind is other.kind is DecodeKind.PARTIAL
            and other.stream_id == request.stream_id
        ]
        held[:] = [other for other in held if other not in needless]
        held.append(request)
        return [DecodeDropped(other, SUPERSEDED) for other in needless]

    def retire(
        self, whom: tuple[str, int, int], kind: DecodeKind | None
    ) -> Sequence[DecodeDropped]:
        """Drop what is kept for an utterance: (stream_id, epoch, utterance_id)."""
        dropped = []
        for held in self._held.values():
            for request in tuple(held):
                who = (request.stream_id, request.epoch, request.utterance_id)
                if who == whom and kind in (None, request.kind):
                    held.remove(request)
                    dropped.append(DecodeDropped(request, RETIRED))
        return dropped

    def release(self, model_id: str) -> list[DecodeRequest]:
        """Keep nothing more for this model; what was kept, finals first."""
        held = self._held.pop(model_id, [])
        return sorted(held, key=lambda request: request.kind is not DecodeKind.FINAL)

    def clear(self) -> None:
        """Forget everything: whoever waits is told otherwise."""
        self._held.clear()
