"""An engine that runs out of memory or computes nonsense when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from asr.engine import EngineError, EngineInfo, Prepared, TrialLoad, TrialTime
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, Hypothesis

LIMIT_S = 10.0


def item(number: int) -> Prepared:
    """A request whose answer is its number."""
    request = DecodeRequest(
        request_id=number,
        stream_id="s",
        epoch=0,
        utterance_id=number,
        revision=0,
        kind=DecodeKind.FINAL,
        audio=np.zeros(160, dtype=np.float32),
        options=DecodeOptions(),
        model_id="m",
        created_s=0.0,
        deadline_s=0.0,
    )
    return Prepared(request, "key", number)


def items(count: int) -> list[Prepared]:
    return [item(number) for number in range(count)]


def heard(text: str, logprob: float = -0.3) -> Hypothesis:
    return Hypothesis(text, (1,), logprob, 0.01, truncated=False)


class FailingEngine:
    """Answers each item with its number; `fits` and `say` may do worse."""

    def __init__(
        self,
        compute_type: str = "float16",
        *,
        fits: Callable[[int], bool] = lambda _: True,
        say: Callable[[Prepared], Hypothesis] | None = None,
        max_batch: int = 8,
        entered: threading.Semaphore | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self.info = EngineInfo("m", "cuda", compute_type, 4, max_batch)
        self.sizes: list[int] = []
        self.trials: list[TrialLoad] = []
        self.calls = 0
        self.closed_during_call = False
        self.closed = False
        self._fits = fits
        self._say = say or (lambda prepared: heard(str(prepared.request.request_id)))
        self._entered = entered
        self._gate = gate
        self._lock = threading.Lock()

    def prepare(self, request: DecodeRequest) -> Prepared:
        self._check_open()
        return Prepared(request, "key", request.request_id)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        self._check_open()
        with self._lock:
            self.calls += 1
            self.sizes.append(len(batch))
        try:
            if self._entered is not None:
                self._entered.release()
            if self._gate is not None:
                assert self._gate.wait(LIMIT_S)
            self._check_memory(len(batch))
            return [self._say(prepared) for prepared in batch]
        finally:
            with self._lock:
                self.calls -= 1

    def time_decode(self, load: TrialLoad) -> TrialTime:
        self._check_open()
        self._check_memory(load.batch)
        self.trials.append(load)
        return TrialTime(1.0, 0.5)

    def close(self) -> None:
        with self._lock:
            self.closed_during_call |= self.calls > 0
            self.closed = True

    def _check_memory(self, size: int) -> None:
        if not self._fits(size):
            raise EngineError("out_of_memory", f"{size} do not fit")

    def _check_open(self) -> None:
        if self.closed:
            raise EngineError("engine_closed", "closed")
