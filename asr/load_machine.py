"""What a request to load a model means while another load runs. Pure.

One load at a time. A second request for the model being loaded joins it; a request for another
waits, alone: it replaces the one that waits, which is answered as superseded.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

logger = logging.getLogger(__name__)


class LoadState(Enum):
    """What the loader does."""

    IDLE = "idle"
    LOADING = "loading"
    WARMING = "warming"


class Verdict(Enum):
    """How a request ended."""

    CURRENT = "current"
    """The model answers (it was loaded, or did already)."""
    FAILED = "failed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Begin:
    """Load this model; report `warming`, then `finished` or `failed`."""

    model_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell these requests how they ended."""

    tokens: tuple[int, ...]
    verdict: Verdict
    error: Exception | None = None
    """Why, when it FAILED."""


LoadEffect: TypeAlias = Begin | Answer


@dataclass(slots=True)
class _Wanted:
    model_id: str
    tokens: list[int] = field(default_factory=list)


class LoadPhase(Enum):
    """How far a load has come. Success is the end of `ModelManager.load`."""

    LOADING = "loading"
    """Weights come into memory."""
    MEASURING = "measuring"
    """Warm-up, then timed decodes."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A load entered a phase; `message` says why it FAILED."""

    model_id: str
    phase: LoadPhase
    message: str | None = None


class LoadMachine:
    """Inputs are methods; each returns effects."""

    def __init__(self) -> None:
        self.state = LoadState.IDLE
        self._current: str | None = None
        self._loading: _Wanted | None = None
        self._waiting: _Wanted | None = None

    @property
    def loading(self) -> str | None:
        """The model being loaded."""
        return self._loading.model_id if self._loading else None

    def request(self, model_id: str, token: int) -> list[LoadEffect]:
        """Somebody wants a model to answer."""
        if self._loading is None:
            if model_id == self._current:
                return [Answer((token,), Verdict.CURRENT)]
            return [self._begin(_Wanted(model_id, [token]))]
        if self._waiting is not None and self._waiting.model_id == model_id:
            self._waiting.tokens.append(token)
            return []
        superseded = self._supersede()
        if self._loading.model_id == model_id:
            self._loading.tokens.append(token)
        else:
            self._waiting = _Wanted(model_id, [token])
        return superseded

    def warming(self) -> None:
        """The weights are in memory; first decodes run."""
        self._become(LoadState.WARMING)

    def finished(self) -> list[LoadEffect]:
        """The model answers from now on."""
        assert self._loading is not None
        self._current = self._loading.model_id
        return self._end(Verdict.CURRENT)

    def failed(self, error: Exception) -> list[LoadEffect]:
        """The model could not be loaded; the old one goes on."""
        return self._end(Verdict.FAILED, error)

    def _end(self, verdict: Verdict, error: Exception | None = None) -> list[LoadEffect]:
        assert self._loading is not None
        effects: list[LoadEffect] = [Answer(tuple(self._loading.tokens), verdict, error)]
        self._loading = None
        self._become(LoadState.IDLE)
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return effects
        if waiting.model_id == self._current:
            return [*effects, Answer(tuple(waiting.tokens), Verdict.CURRENT)]
        return [*effects, self._begin(waiting)]

    def _supersede(self) -> list[LoadEffect]:
        """The newest wish counts: the one that waits is not wanted any more."""
        waiting, self._waiting = self._waiting, None
        return [Answer(tuple(waiting.tokens), Verdict.SUPERSEDED)] if waiting else []

    def _begin(self, wanted: _Wanted) -> Begin:
        self._loading = wanted
        self._become(LoadState.LOADING)
        return Begin(wanted.model_id)

    def _become(self, state: LoadState) -> None:
        logger.info("model loader: %s -> %s (%s)", self.state.value, state.value, self.loading)
        self.state = state
