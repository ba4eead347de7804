"""Whether a model fits into memory. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fit(Enum):
    """Where a model finds room."""

    BESIDE = "beside"
    INSTEAD = "instead"
    NOT_AT_ALL = "not_at_all"


@dataclass(frozen=True, slots=True)
class FitVerdict:
    """The room for one model, with words and figures."""

    fit: Fit
    needed_mb: int
    free_mb: int
    message: str
