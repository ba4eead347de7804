"""An engine in which decode threads die or hang when told to."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence

from asr.engine import Prepared
from asr.scripted_engine import ScriptedEngine
from asr.types import Hypothesis

LIMIT_S = 20.0


class LosingEngine(ScriptedEngine):
    """`deaths` and `hangs` say how many decodes with a stream of that name end so.

    `kill_once`: every request kills at its first decode; audio of `dies_at_s` or more always does.
    `any_hangs` is for whatever stream.
    Every decode waits for `gate`; those that hang wait for `release`.
    """

    def __init__(self, model_id: str = "m", *, workers: int = 1, max_batch: int = 4) -> None:
        super().__init__(model_id, workers=workers, max_batch=max_batch)
        self.deaths: Counter[str] = Counter()
        self.hangs: Counter[str] = Counter()
        self.kill_once = False
        self.any_hangs = 0
        self._seen: set[int] = set()
        self.dies_at_s = math.inf
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
        too_long = any(prepared.request.audio_s >= self.dies_at_s for prepared in batch)
        if too_long or self._due(self.deaths, names) or self._first_time(batch):
            if self.close_gate_at_death:
                self.gate.clear()
            raise SystemExit
        if self._due(self.hangs, names) or self._any_hang():
            assert self.release.wait(LIMIT_S)
        return super().decode(batch)

    def _due(self, counts: Counter[str], names: Sequence[str]) -> bool:
        with self._lock:
            due = [name for name in names if counts[name] > 0]
            counts.subtract(due)
            return bool(due)

    def _first_time(self, batch: Sequence[Prepared]) -> bool:
        ids = {prepared.request.request_id for prepared in batch}
        with self._lock:
            new = not ids <= self._seen
            self._seen |= ids
        return self.kill_once and new

    def _any_hang(self) -> bool:
        with self._lock:
            self.any_hangs -= 1
            return self.any_hangs >= 0
