"""What the model manager tells of models."""

from __future__ import annotations

from dataclasses import dataclass

from asr.loaded import LoadMeasurement, ModelLease
from asr.types import ModelSpec, ModelState


class ModelError(Exception):
    """A model cannot answer. `code` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A model answers; what its load took, now or at an earlier request."""

    spec: ModelSpec
    measurement: LoadMeasurement
    lease: ModelLease | None = None
    """Holds a model that was only to be in memory."""


@dataclass(frozen=True, slots=True)
class ModelListing:
    """A catalogue entry and where it stands on this machine."""

    spec: ModelSpec
    state: ModelState
    size_mb: int | None = None
    """Of its files, in millions of bytes: measured where they are on disk, else as published."""
    measurement: LoadMeasurement | None = None
    """Of its last load since the server started."""


def load_failure(model_id: str, code: str, reason: str) -> ModelError:
    """A model was not loaded, and why."""
    return ModelError(code, f"Failed to load model {model_id}: {reason}")


def shutting_down(model_id: str) -> ModelError:
    """A model is not loaded any more: the server ends."""
    return load_failure(model_id, "shutting_down", "the server shuts down")
