"""A view of the client that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.messages import FinalTranscription, RealtimeTranscription
from server.model_messages import ModelPhase, ModelProgress


class Recorder:
    """A view that remembers."""

    def __init__(self) -> None:
        self.own_streams: tuple[str, ...] = ()
        self.finals: list[str] = []
        self.latencies: list[float | None] = []
        self.notes: list[str] = []
        self.models: list[str] = []
        self.phases: list[ModelPhase] = []
        self.lost_streams: list[str] = []
        self.done_s = 0.0
        self._changed = asyncio.Event()

    def touch(self, *_: object) -> None:
        """Something may have changed."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def partial(self, event: RealtimeTranscription) -> None: ...

    def final(self, event: FinalTranscription, latency_s: float | None = None) -> None:
        self.finals.append(event.text)
        self.latencies.append(latency_s)
        self.touch()

    def utterance_lost(self, stream_id: str) -> None:
        self.lost_streams.append(stream_id)
        self.touch()

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.touch()

    def model(self, text: str) -> None:
        self.models.append(text)

    def model_progress(self, event: ModelProgress) -> None:
        self.phases.append(event.phase)
        self.touch()

    def level(self, db: float) -> None: ...

    def progress(self, done_s: float, total_s: float) -> None:
        self.done_s = done_s
        self.touch()

    def close(self) -> None: ...

    def told(self, part: str) -> bool:
        return any(part in note for note in self.notes)
