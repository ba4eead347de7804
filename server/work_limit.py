"""Keeps accepted audio within what could be decoded if the server had to end now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr.types import DecodeResult
from server.work_estimate import DecodeSpeed, ObservedCost, Work, admits


class Worker(Protocol):
    """An audio connection's work."""

    @property
    def work(self) -> Work:
        """What it accepted and has not decoded."""
        ...

    async def one_settled(self) -> None:
        """Wait until that may have become less, or the server ends."""
        ...


class WorkLimit:
    """Who accepts audio asks `room` first, and waits there: TCP slows its sender."""

    def __init__(self, drain_s: float, speed: Callable[[], DecodeSpeed | None]) -> None:
        """`speed` is that of the model in force."""
        self._drain_s = drain_s
        self._speed = speed
        self._workers: set[Worker] = set()
        self._observed = ObservedCost()
        self._closed = False

    def join(self, worker: Worker) -> None:
        """A connection that may accept audio."""
        self._workers.add(worker)

    def leave(self, worker: Worker) -> None:
        """It is done."""
        self._workers.discard(worker)

    def note_decoded(self, result: DecodeResult) -> None:
        """A decode came back."""
        self._observed.note(result)

    def close(self) -> None:
        """The server ends: there is no room any more."""
        self._closed = True

    @property
    def work(self) -> Work:
        """Everybody's."""
        return sum((worker.work for worker in self._workers), Work(0.0, 0))

    async def room(self, worker: Worker, audio_s: float) -> bool:
        """Wait until there is room for more audio; False if there will be none."""
        while not self._closed:
            own = worker.work
            if own.finals == 0:
                return True
            speed = self._speed()
            speed = None if speed is None else self._observed.slowed(speed)
            if admits(audio_s, own, self.work, speed, self._drain_s):
                return True
            await worker.one_settled()
        return False
