"""An engine around another one that lives on where memory runs out or float16 overflows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from asr.batch_limit import BatchLimit
from asr.degenerate import is_degenerate, next_compute_type
from asr.engine import (
    ENGINE_LOST,
    Engine,
    EngineError,
    EngineInfo,
    Prepared,
    TrialLoad,
    TrialTime,
)
from asr.types import DecodeRequest, Hypothesis

logger = logging.getLogger(__name__)

OUT_OF_MEMORY = "out_of_memory"

_Result = TypeVar("_Result")


class ResilientEngine:
    """Passes every call on to the engine within. Thread-safe.

    Out of memory: a batch is decoded in pieces half as large, and later batches are cut at once,
    until enough pieces went well (`asr.batch_limit`).

    Broken output (`asr.degenerate`): the model is opened once more in the next compute type of
    `supported`, and the batch decoded again. Meanwhile all other calls wait: two copies of a model
    may not fit into a GPU. Where that does not help the items get EngineError `degenerate_output`.
    Where it cannot be opened at all every call raises EngineError `engine_lost`.
    """

    def __init__(
        self,
        engine: Engine,
        reopen: Callable[[str], Engine],
        supported: Collection[str],
    ) -> None:
        """`reopen` loads the same model in another compute type (blocking, raises EngineError)."""
        self._reopen = reopen
        self._supported = set(supported)
        self._changed = threading.Condition()
        self._engine: Engine | None = engine
        self._front = engine
        self._closed = False
        self._info = engine.info
        self._calls = 0
        self._opened = 0
        """How often the model was opened anew; a batch knows by it which engine decoded it."""
        self._reopening = False
        self._limit = BatchLimit.unlimited(engine.info.max_batch)

    @property
    def info(self) -> EngineInfo:
        """What it runs on now: the compute type may change."""
        return self._info

    def prepare(self, request: DecodeRequest) -> Prepared:
        """Make the features (in a DSP thread)."""
        with self._changed:
            if self._engine is None and not self._reopening:
                raise self._gone()
        # features depend on the model, not on its numbers: nobody waits for it to be opened anew
        return self._front.prepare(request)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """Decode one batch of equal keys, results in order. Raises EngineError.

        Codes of its own: `out_of_memory` if not even one item fits, `degenerate_output`.
        """
        pieces = self._in_pieces(len(batch), lambda at, size: self._sound(batch[at : at + size]))
        return [hypothesis for piece in pieces for hypothesis in piece]

    def time_decode(self, load: TrialLoad) -> TrialTime:
        """Time one decode of fixed work, in pieces if it does not fit. Raises EngineError."""
        times = self._in_pieces(load.batch, lambda _, size: self._timed(load, size))
        return TrialTime(sum(time.wall_s for time in times), sum(time.cpu_s for time in times))

    def close(self) -> None:
        """Free the model. No call may be running; later calls raise EngineError."""
        with self._changed:
            engine, self._engine = self._engine, None
            self._closed = True
        if engine is not None:
            engine.close()

    # -- memory -------------------------------------------------------------------------------

    def _in_pieces(self, count: int, run: Callable[[int, int], _Result]) -> list[_Result]:
        """Run `count` items in order, in pieces that fit; `run` gets a place and a size."""
        results: list[_Result] = []
        done, most = 0, count
        while done < count:
            size = min(most, count - done, self._limit.now)
            try:
                results.append(run(done, size))
            except EngineError as error:
                if error.code != OUT_OF_MEMORY or size == 1:
                    raise
                most = size // 2  # whatever other threads find meanwhile, this batch ends
                self._ran_out(size, error)
            else:
                done += size
                self._went_well(size)
        return results

    def _ran_out(self, size: int, error: EngineError) -> None:
        with self._changed:
            before, self._limit = self._limit.now, self._limit.failed(size)
            now = self._limit.now
        if now < before:
            model_id = self._info.model_id
            logger.warning("model %s: batches of %d at most from now on: %s", model_id, now, error)

    def _went_well(self, size: int) -> None:
        with self._changed:
            before, self._limit = self._limit.now, self._limit.went_well(size)
            now = self._limit.now
        if now > before:
            logger.info("model %s: batches of %d are tried again", self._info.model_id, now)

    def _timed(self, load: TrialLoad, size: int) -> TrialTime:
        piece = TrialLoad(load.frames, size, load.beam_size, load.new_tokens)
        with self._in_use() as (engine, _):
            return engine.time_decode(piece)

    # -- broken output ------------------------------------------------------------------------

    def _sound(self, piece: Sequence[Prepared]) -> list[Hypothesis]:
        """Decode; where the output is broken, once more in another compute type."""
        hypotheses, compute_type, opened = self._decoded(piece)
        if any(is_degenerate(hypothesis, compute_type) for hypothesis in hypotheses):
            if self._recovered(opened):
                hypotheses, compute_type, _ = self._decoded(piece)
            if any(is_degenerate(hypothesis, compute_type) for hypothesis in hypotheses):
                raise EngineError(
                    "degenerate_output",
                    f"the model computes no probabilities in {compute_type}; choose another "
                    "--compute-type, or get the model again",
                )
        return hypotheses

    def _decoded(self, piece: Sequence[Prepared]) -> tuple[list[Hypothesis], str, int]:
        with self._in_use() as (engine, opened):
            return engine.decode(piece), engine.info.compute_type, opened

    def _recovered(self, opened: int) -> bool:
        """Have another compute type in force than the one that failed; False if there is none.

        Several threads may find broken output of the same engine: the first opens the next one.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._reopening)
            if self._opened != opened:
                return True
            before = self._info.compute_type
            wanted = next_compute_type(before, self._supported)
            if wanted is None or self._engine is None:
                return False
            self._reopening = True
            self._changed.wait_for(lambda: self._calls == 0)
            old, self._engine = self._engine, None
        model_id = self._info.model_id
        logger.warning("model %s: broken output in %s; opening it in %s", model_id, before, wanted)
        engine: Engine | None = None
        try:
            old.close()
            engine = self._open_one_of(wanted, before)
        except EngineError as error:
            raise EngineError(ENGINE_LOST, f"{model_id} is lost: {error.message}") from error
        finally:
            self._put(engine)
        return engine.info.compute_type != before

    def _open_one_of(self, wanted: str, before: str) -> Engine:
        """Open the model in `wanted`, or again in the type that failed: most output may be good."""
        try:
            return self._reopen(wanted)
        except EngineError as error:
            logger.error("model %s: not in %s: %s", self._info.model_id, wanted, error)
            self._supported.discard(wanted)
            return self._reopen(before)

    def _gone(self) -> EngineError:
        model_id = self._info.model_id
        if self._closed:
            return EngineError("engine_closed", f"{model_id} is closed")
        return EngineError(ENGINE_LOST, f"{model_id} is lost: it could not be opened again")

    def _put(self, engine: Engine | None) -> None:
        with self._changed:
            self._engine = engine
            if engine is not None:
                self._info = engine.info
                self._opened += 1
            self._reopening = False
            self._changed.notify_all()

    @contextmanager
    def _in_use(self) -> Iterator[tuple[Engine, int]]:
        """The engine, which nobody closes meanwhile, and how often the model was opened anew."""
        with self._changed:
            self._changed.wait_for(lambda: not self._reopening)
            engine, opened = self._engine, self._opened
            if engine is None:
                raise self._gone()
            self._calls += 1
        try:
            yield engine, opened
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()
