"""Room by measured capacity: what the scheduler shows, and who may begin to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from asr.batching import MAX_WAITING_FINAL_S
from asr.calibration import TRIAL_SPEECH_S, Pace
from asr.models import ModelManager
from asr.scheduler import Scheduler
from asr.types import Profile
from server.capacity import Demand, FinalWaits, Overload, Signs, Step
from server.speaker_guard import SpeakerGuard
from server.statistics import ServerStatistics

LOOK_EVERY_S = 0.5
CONTENDED_LOAD = 0.7
PRIOR_MARGIN = 1.5
"""Trials are of 5 s; shorter utterances cost more of their time, and some are decoded twice."""


class LoadWatch:
    """Looks at the load of one server. `limit_s`: how long finals may wait; 0 refuses nobody."""

    def __init__(
        self,
        scheduler: Scheduler,
        models: ModelManager,
        statistics: ServerStatistics,
        clock: Callable[[], float],
        *,
        limit_s: float,
        audio_rate: float,
    ) -> None:
        self._scheduler = scheduler
        self._models = models
        self._statistics = statistics
        self._clock = clock
        self._limit_s = limit_s
        self._audio_rate = audio_rate
        self._waits = FinalWaits()
        self._demand = Demand()
        self._overload = Overload(limit_s, self._on_step)
        self._speakers: dict[str, SpeakerGuard] = {}
        self._load = 0.0
        self._waiting_share = 0.0
        self._model_id: str | None = None

    @property
    def step(self) -> Step:
        """How the server meets its load."""
        return self._overload.step

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            self._take_stock()
            self._look()
            await asyncio.sleep(LOOK_EVERY_S)

    def has_room(self) -> bool:
        """Whether one more may speak. Where nobody is, one may."""
        if self._limit_s <= 0 or not self._demand.anybody(self._clock()):
            return True
        return self._look() is not Step.REFUSING

    def admitted(self, visitor: Hashable) -> None:
        """Somebody was let in who may speak."""
        self._demand.admitted(visitor, self._clock())

    def named(self, visitor: Hashable, speaker_id: str) -> None:
        """Which speaker that is."""
        self._demand.named(visitor, speaker_id)

    def left(self, visitor: Hashable) -> None:
        """Its connection is lost; `visitor` is what it was known by last."""
        self._demand.left(visitor)

    def speaker(self, speaker_id: str, refuse: Callable[[str], None]) -> SpeakerGuard:
        """Take note of a speaker until its guard is closed.

        `refuse` is called at its first audio where there is no room then; it raises.
        """
        guard = self._speakers[speaker_id] = SpeakerGuard(
            speaker_id,
            self._scheduler,
            self._waits,
            self._demand,
            rate=self._audio_rate,
            clock=self._clock,
            admits=lambda speaker: self._begin(speaker, refuse),
            contended=self._contended,
            on_slowed=lambda wait_s: self._statistics.add("audio_slowed_s", wait_s),
            on_close=lambda gone: self._speakers.pop(gone, None),
        )
        return guard

    def _begin(self, speaker: str, refuse: Callable[[str], None]) -> None:
        now_s = self._clock()
        others = self._demand.anybody(now_s)
        room = self.has_room()
        if not self._demand.began(speaker, now_s) and others and not room:
            self._demand.gone(speaker)
            refuse(speaker)

    def _contended(self, speaker: str) -> bool:
        """Whether others speak and the workers are busy."""
        now_s = self._clock()
        return self._load >= CONTENDED_LOAD and any(
            guard.active(now_s) for name, guard in self._speakers.items() if name != speaker
        )

    def _take_stock(self) -> None:
        stats = self._scheduler.stats()
        self._load = stats.load
        self._waiting_share = stats.waiting_audio_s / MAX_WAITING_FINAL_S
        current = self._models.current
        model_id = current.id if current else None
        if model_id != self._model_id:
            self._model_id = model_id
            self._demand.forget_costs()

    def _look(self) -> Step:
        if self._limit_s <= 0:
            return self._overload.step
        now_s = self._clock()
        info, pace = self._models.current_info, self._models.current_pace
        batch, workers = (info.max_batch, info.workers) if info else (1, 1)
        signs = Signs(
            load=self._load,
            late_s=self._waits.late_s(now_s),
            waiting_share=self._waiting_share,
            demand=self._demand.share(_cost(pace, batch), workers, now_s),
        )
        return self._overload.look(signs, now_s)

    def _on_step(self, step: Step) -> None:
        self._statistics.add(f"admission_{step.value}")


def _cost(pace: Pace | None, max_batch: int) -> float:
    """A worker's seconds for one of audio, as measured when the model was loaded."""
    if pace is None or pace.costs is None:
        return 0.0
    costs = pace.costs
    if pace.profile is Profile.ACCURATE and costs.accurate_s is not None:
        return PRIOR_MARGIN * costs.accurate_s / TRIAL_SPEECH_S
    whole = costs.partial_s
    if costs.batch_s is not None:
        whole = min(whole, costs.batch_s / max_batch)
    return PRIOR_MARGIN * whole / TRIAL_SPEECH_S
