"""Where models come from: the contract between the model manager and files, network, engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from asr.engine import Engine
from asr.load_machine import LoadPhase
from asr.transfer import Transfer
from asr.types import ModelSpec

TellFetch: TypeAlias = Callable[[LoadPhase, Transfer | None], None]
"""How far a fetch is: DOWNLOADING or CONVERTING, and how much of it is done."""


class ModelSource(Protocol):
    """Everything here blocks, and may be called from several threads at once."""

    def locate(self, spec: ModelSpec) -> Path | None:
        """The folder of a model's files that an engine could load, None if there is none."""
        ...

    def is_ready(self, spec: ModelSpec) -> bool:
        """Whether `open` needs no `fetch` before it."""
        ...

    def fetch(self, spec: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        """Get a model's files and make them fit to load.

        Ends within about a second of `cancelled`, with EngineError `cancelled`; what came is kept
        for the next try. Raises EngineError.
        """
        ...

    def open(self, spec: ModelSpec) -> Engine:
        """Load a model into memory. Raises EngineError."""
        ...
