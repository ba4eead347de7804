"""The contract between the scheduler and whatever turns audio into text."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from asr.types import DecodeRequest, Hypothesis

ENGINE_LOST = "engine_lost"
"""Code of an EngineError: whatever the engine gets, it fails until the model is opened again."""


class EngineError(Exception):
    """An engine could not load or decode. `code` is stable and goes to clients."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A request with its features made, ready for a batch.

    Requests with equal `batch_key` may be decoded together. `features` is the engine's own.
    """

    request: DecodeRequest
    batch_key: Hashable
    features: object


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine runs on."""

    model_id: str
    device: str
    compute_type: str
    workers: int
    """How many decode calls may run at the same time."""
    max_batch: int


@dataclass(frozen=True, slots=True)
class TrialLoad:
    """A decode whose work is the same whatever is heard, to see what a machine can do."""

    frames: int
    """Of encoder context, 10 ms each."""
    batch: int
    beam_size: int
    new_tokens: int
    """Generated for each item: no fewer, no more. At least as many as a prompt has (4)."""


@dataclass(frozen=True, slots=True)
class TrialTime:
    """What a trial took."""

    wall_s: float
    cpu_s: float
    """Of this process meanwhile; the wall time again where the work is not a processor's."""


class Engine(Protocol):
    """One loaded model. Thread-safe: `prepare` and `decode` may run in several threads."""

    @property
    def info(self) -> EngineInfo:
        """What it runs on."""
        ...

    def prepare(self, request: DecodeRequest) -> Prepared:
        """Make the features (in a DSP thread). Raises EngineError."""
        ...

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """Decode one batch of equal keys, results in order (in a decode thread).

        Raises EngineError for the batch as a whole; the caller retries items alone.
        """
        ...

    def time_decode(self, load: TrialLoad) -> TrialTime:
        """Time one decode of fixed work (blocking). Raises EngineError."""
        ...

    def close(self) -> None:
        """Free the model. No call may be running; later calls raise EngineError."""
        ...
