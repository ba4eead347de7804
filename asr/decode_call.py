"""One call into an engine, in a decode thread: together or, if that fails, each item alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr.engine import Engine, EngineError, Prepared
from asr.types import Hypothesis

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Answers to a batch, in order, and when (on the caller's clock) it was decoded."""

    answers: Sequence[Hypothesis | EngineError]
    began_s: float
    ended_s: float

    @property
    def decode_s(self) -> float:
        """Wall time of the batch, retries included."""
        return self.ended_s - self.began_s


def decode_batch(engine: Engine, batch: Sequence[Prepared], clock: Callable[[], float]) -> Decoded:
    """Decode a batch; the items of one that fails are retried once, each alone. Never raises."""
    began_s = clock()
    answers = _attempt(engine, batch)
    if len(batch) > 1 and isinstance(answers[0], EngineError):
        answers = [_attempt(engine, [prepared])[0] for prepared in batch]
    return Decoded(answers, began_s, clock())


def _attempt(engine: Engine, batch: Sequence[Prepared]) -> Sequence[Hypothesis | EngineError]:
    try:
        hypotheses = engine.decode(batch)
    except EngineError as error:
        logger.warning("a batch of %d failed: %s", len(batch), error)
        return [error] * len(batch)
    except Exception as error:
        logger.exception("a batch of %d failed", len(batch))
        return [EngineError("internal_error", repr(error))] * len(batch)
    if len(hypotheses) != len(batch):
        message = f"{len(hypotheses)} results for {len(batch)} requests"
        return [EngineError("bad_result", message)] * len(batch)
    return hypotheses
