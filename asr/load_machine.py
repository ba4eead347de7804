"""What a request to load a model means while others are fetched or loaded. Pure.

One model is loaded at a time; files are fetched beside that. The newest request is the wish in
force: an older one that is not being loaded yet is answered as superseded, and its files are
fetched to the end all the same. A request for the model wished or being loaded joins it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from asr.transfer import Transfer

logger = logging.getLogger(__name__)


class LoadState(Enum):
    """What the loader does."""

    IDLE = "idle"
    LOADING = "loading"
    WARMING = "warming"


class FetchState(Enum):
    """How a model's files come."""

    FETCHING = "fetching"
    STOPPING = "stopping"
    """It was told to stop and has not ended yet."""


class Verdict(Enum):
    """How a request ended."""

    CURRENT = "current"
    """The model answers (it was loaded, or did already)."""
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get this model's files and make them fit to load; report `fetched` or `fetch_failed`."""

    model_id: str


@dataclass(frozen=True, slots=True)
class StopFetch:
    """Have this model's fetch end early; it then reports `fetch_failed`."""

    model_id: str


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


LoadEffect: TypeAlias = Fetch | StopFetch | Begin | Answer


@dataclass(slots=True)
class _Wanted:
    model_id: str
    tokens: list[int] = field(default_factory=list)


class LoadPhase(Enum):
    """How far a model has come. Success is the end of `ModelManager.load`."""

    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    ON_DISK = "on_disk"
    """Its files are there now, fit to load."""
    LOADING = "loading"
    """Weights come into memory."""
    MEASURING = "measuring"
    """Warm-up, then timed decodes."""
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A model entered a phase, or went on in it; `message` and `code` say why it FAILED."""

    model_id: str
    phase: LoadPhase
    message: str | None = None
    transfer: Transfer | None = None
    code: str | None = None


class LoadMachine:
    """Inputs are methods; each returns effects."""

    def __init__(self) -> None:
        self.state = LoadState.IDLE
        self._current: str | None = None
        self._loading: _Wanted | None = None
        self._wish: _Wanted | None = None
        self._fetches: dict[str, FetchState] = {}

    @property
    def loading(self) -> str | None:
        """The model being loaded."""
        return self._loading.model_id if self._loading else None

    @property
    def busy(self) -> bool:
        """A model is being loaded, or wished."""
        return self._loading is not None or self._wish is not None

    @property
    def fetching(self) -> tuple[str, ...]:
        """The models whose files are on their way."""
        return tuple(self._fetches)

    def askers(self, model_id: str) -> tuple[int, ...]:
        """The requests that wait for the model being loaded."""
        loading = self._loading
        return tuple(loading.tokens) if loading and loading.model_id == model_id else ()

    # -- requests -----------------------------------------------------------------------------

    def request(self, model_id: str, token: int, *, ready: bool) -> list[LoadEffect]:
        """Somebody wants a model to answer. `ready`: it can be loaded as it is on disk."""
        if self._wish is not None and self._wish.model_id == model_id:
            self._wish.tokens.append(token)
            return []
        superseded = self._supersede()
        if self._loading is not None and self._loading.model_id == model_id:
            self._loading.tokens.append(token)
            return superseded
        if self._loading is None and model_id == self._current:
            return [*superseded, Answer((token,), Verdict.CURRENT)]
        self._wish = _Wanted(model_id, [token])
        if model_id not in self._fetches and not ready and model_id != self._current:
            superseded.append(self._fetch(model_id))
        return [*superseded, *self._next()]

    def cancel(self, model_id: str) -> list[LoadEffect]:
        """Nobody wants this model's files any more. Nothing if they are not on their way."""
        if model_id not in self._fetches:
            return []
        effects: list[LoadEffect] = []
        if self._fetches[model_id] is FetchState.FETCHING:
            self._note_fetch(model_id, FetchState.STOPPING)
            effects.append(StopFetch(model_id))
        if self._wish is not None and self._wish.model_id == model_id:
            effects.append(Answer(tuple(self._wish.tokens), Verdict.CANCELLED))
            self._wish = None
        return effects

    # -- reports ------------------------------------------------------------------------------

    def fetched(self, model_id: str) -> list[LoadEffect]:
        """A model's files are there and fit to load."""
        self._note_fetch(model_id, None)
        return self._next()

    def fetch_failed(self, model_id: str, error: Exception) -> list[LoadEffect]:
        """They are not, or only in part."""
        stopped = self._fetches[model_id] is FetchState.STOPPING
        self._note_fetch(model_id, None)
        if self._wish is None or self._wish.model_id != model_id:
            return []
        if stopped:  # asked for again before the old fetch had ended
            return [self._fetch(model_id)]
        wish, self._wish = self._wish, None
        return [Answer(tuple(wish.tokens), Verdict.FAILED, error)]

    def answers(self, model_id: str | None) -> None:
        """Another model answers meanwhile, or none: its place is being taken."""
        self._current = model_id

    def warming(self) -> None:
        """The weights are in memory; first decodes run."""
        self._become(LoadState.WARMING)

    def finished(self, *, answers: bool = True) -> list[LoadEffect]:
        """The model is in memory; it answers from now on, or (False) is only there."""
        assert self._loading is not None
        if answers:
            self._current = self._loading.model_id
        return self._end(Verdict.CURRENT)

    def failed(self, error: Exception) -> list[LoadEffect]:
        """The model could not be loaded; the old one goes on."""
        return self._end(Verdict.FAILED, error)

    # -- within -------------------------------------------------------------------------------

    def _end(self, verdict: Verdict, error: Exception | None = None) -> list[LoadEffect]:
        assert self._loading is not None
        effects: list[LoadEffect] = [Answer(tuple(self._loading.tokens), verdict, error)]
        self._loading = None
        self._become(LoadState.IDLE)
        return [*effects, *self._next()]

    def _next(self) -> list[LoadEffect]:
        """Begin what is wished, if the loader is free and the files are there."""
        wish = self._wish
        if wish is None or self._loading is not None or wish.model_id in self._fetches:
            return []
        self._wish = None
        if wish.model_id == self._current:
            return [Answer(tuple(wish.tokens), Verdict.CURRENT)]
        self._loading = wish
        self._become(LoadState.LOADING)
        return [Begin(wish.model_id)]

    def _supersede(self) -> list[LoadEffect]:
        """The newest wish counts: the one before is not wanted any more."""
        wish, self._wish = self._wish, None
        return [Answer(tuple(wish.tokens), Verdict.SUPERSEDED)] if wish else []

    def _fetch(self, model_id: str) -> Fetch:
        self._note_fetch(model_id, FetchState.FETCHING)
        return Fetch(model_id)

    def _note_fetch(self, model_id: str, state: FetchState | None) -> None:
        logger.info("files of %s: %s", model_id, state.value if state else "fetch ended")
        if state is None:
            del self._fetches[model_id]
        else:
            self._fetches[model_id] = state

    def _become(self, state: LoadState) -> None:
        logger.info("model loader: %s -> %s (%s)", self.state.value, state.value, self.loading)
        self.state = state
