"""An engine in which decode threads die or hang when told to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from asr.engine import Prepared
from asr.scripted_engine import ScriptedEngine
from asr.types import Hypothesis

LIMIT_S = 20.0


class LosingEngine(ScriptedEngine):
    """`deaths` and `hangs` say how many decodes with a stream of that name end so.

    Every decode waits for `gate`; those that hang wait for `release`.
    """

    def __init__(self, model_id: str = "m", *, workers: int = 1, max_batch: int = 4) -> None:
        super().__init__(model_id, workers=workers, max_batch=max_batch)
        self.deaths: Counter[str] = Counter()
        self.hangs: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.close_gate_at_death = False
        self.release = threading.Event()
        self.sizes: list[int] = []
        self._lock = threading.Lock()

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """As scripted, or the end of the thread."""
        with self._lock:
            self.sizes.append(len(batch))
        assert self.gate.wait(LIMIT_S)
        names = [prepared.request.stream_id for prepared in batch]
        if self._due(self.deaths, names):
            if self.close_gate_at_death:
                self.gate.clear()
            raise SystemExit
        if self._due(self.hangs, names):
            assert self.release.wait(LIMIT_S)
        return super().decode(batch)

    def _due(self, counts: Counter[str], names: Sequence[str]) -> bool:
        with self._lock:
            due = [name for name in names if counts[name] > 0]
            counts.subtract(due)
            return bool(due)
