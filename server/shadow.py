"""A shadow run: a second model decodes what the current one did, and nobody reads its text.

What a run compares is told to every control connection, in figures only: transcripts belong to
their sessions. It ends when somebody keeps the model or gives it up, when another model is loaded,
or after its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from msgspec import UNSET

from asr.effects import FinalText
from asr.loaded import ModelLease
from asr.models import ModelManager
from asr.quality import FinalPolicy
from asr.scheduler import Scheduler
from asr.shadow import ShadowFigures, ShadowTally
from asr.types import DecodeOutcome, DecodeRequest, DecodeResult
from server.messages import Event
from server.model_messages import (
    ShadowComparison,
    ShadowEnded,
    ShadowOutcome,
    ShadowReport,
    ShadowStarted,
)

logger = logging.getLogger(__name__)

MOST_OPEN: Final = 2
"""Utterances that wait for the second model; further ones it does not hear, and that is counted:
it must not take the time of those who speak."""

PATIENCE_S: Final = 30.0
"""How late its decodes may come."""


class ShadowState(Enum):
    """Whether a run goes on."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    KEEPING = "keeping"
    """The second model is about to answer."""


class ShadowError(Exception):
    """A run cannot begin or end as asked. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True, eq=False)
class _Run:
    model_id: str
    current_id: str
    lease: ModelLease
    policy: FinalPolicy
    timer: asyncio.TimerHandle
    tally: ShadowTally
    open: int = 0


class Shadow:
    """One run at a time. All methods belong to the loop."""

    def __init__(
        self,
        models: ModelManager,
        scheduler: Scheduler,
        tell: Callable[[Event], None],
        clock: Callable[[], float],
        longest_s: float,
    ) -> None:
        self._models = models
        self._scheduler = scheduler
        self._tell = tell
        self._clock = clock
        self._longest_s = longest_s
        self._state = ShadowState.OFF
        self._run: _Run | None = None

    async def start(self, model_id: str) -> ShadowStarted:
        """Load a model beside the current one and begin.

        Raises ShadowError, and ModelError where the model does not come or both do not fit.
        """
        current = self._models.current
        if self._state is not ShadowState.OFF:
            raise ShadowError("busy", "a shadow run goes on already; end it first (end_shadow)")
        if current is None or current.id == model_id:
            raise ShadowError("already_current", f"{model_id} answers already")
        self._become(ShadowState.STARTING, model_id)
        try:
            report, lease = await self._models.load_beside(model_id)
        except BaseException:
            self._become(ShadowState.OFF, model_id)
            raise
        if self._models.current is None or self._models.current.id == model_id:
            lease.release()  # somebody else had it answer meanwhile
            self._become(ShadowState.OFF, model_id)
            raise ShadowError("already_current", f"{model_id} answers already")
        pace = self._models.pace_of(model_id)
        self._run = _Run(
            model_id=model_id,
            current_id=self._models.current.id,
            lease=lease,
            policy=FinalPolicy.of_model(pace.profile, report.spec),
            timer=asyncio.get_running_loop().call_later(self._longest_s, self._expire),
            tally=ShadowTally(),
        )
        self._become(ShadowState.RUNNING, model_id)
        return ShadowStarted(model_id=model_id, current_model=current.id, longest_s=self._longest_s)

    def heard(self, stream_id: str, final: FinalText) -> None:
        """The current model has a final: have the other decode the same audio."""
        run = self._run
        if run is None or final.result is None or self._state is not ShadowState.RUNNING:
            return
        if final.model_id != run.current_id:
            return
        if run.open >= MOST_OPEN:
            run.tally.skip()
            return
        run.open += 1
        now_s = self._clock()
        request = replace(
            final.result.request,
            stream_id=f"shadow {stream_id}",
            model_id=run.model_id,
            options=run.policy.first(),
            created_s=now_s,
            deadline_s=now_s + PATIENCE_S,
        )
        self._submit(run, request, final)

    async def end(self, model_id: str, keep: bool) -> None:
        """Let the other model answer from now on, or leave it. Raises ShadowError, ModelError."""
        run = self._run
        if run is None or run.model_id != model_id or self._state is not ShadowState.RUNNING:
            raise ShadowError("no_shadow", f"no shadow run of {model_id[:60]!r} goes on")
        if not keep:
            self._end(run, ShadowOutcome.ROLLED_BACK)
            return
        self._become(ShadowState.KEEPING, model_id)
        try:
            await self._models.load(model_id)
        except BaseException:
            self._become(ShadowState.RUNNING, model_id)
            raise
        self._end(run, ShadowOutcome.KEPT)

    def model_changed(self) -> None:
        """Another model answers: there is nothing to compare with any more."""
        run, current = self._run, self._models.current
        if run is None or self._state is not ShadowState.RUNNING:
            return
        if current is None or current.id != run.current_id:
            self._end(run, ShadowOutcome.REPLACED)

    def close(self) -> None:
        """End without a word: the server ends."""
        if self._run is not None:
            self._run.timer.cancel()
            self._run.lease.release()
            self._run = None

    def _submit(self, run: _Run, request: DecodeRequest, final: FinalText) -> None:
        def deliver(outcome: DecodeOutcome) -> None:
            run.open -= 1
            if self._run is not run:
                return
            if isinstance(outcome, DecodeResult):
                text = outcome.hypothesis.text
                run.tally.add(final.text, text, final.decode_s, outcome.decode_s)
            else:
                run.tally.fail()
            self._tell(
                ShadowReport(
                    model_id=run.model_id,
                    current_model=run.current_id,
                    comparison=_comparison(run.tally.figures),
                )
            )

        self._scheduler.submit(request, deliver)

    def _expire(self) -> None:
        if self._run is not None and self._state is ShadowState.RUNNING:
            self._end(self._run, ShadowOutcome.EXPIRED)

    def _end(self, run: _Run, outcome: ShadowOutcome) -> None:
        run.timer.cancel()
        self._run = None
        self._become(ShadowState.OFF, run.model_id)
        self._tell(
            ShadowEnded(
                model_id=run.model_id,
                current_model=run.current_id,
                outcome=outcome,
                comparison=_comparison(run.tally.figures),
            )
        )
        run.lease.release()

    def _become(self, state: ShadowState, model_id: str) -> None:
        logger.info("shadow run of %s: %s -> %s", model_id, self._state.value, state.value)
        self._state = state


def _comparison(figures: ShadowFigures) -> ShadowComparison:
    return ShadowComparison(
        utterances=figures.utterances,
        differing=figures.differing,
        difference=round(figures.difference, 4),
        current_s=UNSET if figures.current_s is None else round(figures.current_s, 3),
        shadow_s=UNSET if figures.shadow_s is None else round(figures.shadow_s, 3),
        skipped=figures.skipped,
        failed=figures.failed,
    )
