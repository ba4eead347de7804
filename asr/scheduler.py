"""Requests in, outcomes out: the asyncio side of `batching`, one queue and its threads per model.

Everything here runs on the loop except `Engine.prepare` (in the DSP executor) and `decode_batch`
(in the model's own threads, as many as its engine has workers).

A thread that dies in a decode, or does not come back from one in time, is replaced (`Lane`); what
it had is decoded once more, each item alone, and fails if that ends the same way.

Bounds: callers have one partial and a few finals of a stream here at a time, and wait for their
outcomes; what is prepared stands in a `BatchQueue`, which states its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, TypeAlias

from asr.batching import STARVED_PARTIAL_S
from asr.decode_call import Decoded
from asr.decode_worker import DecodeWorker
from asr.engine import ENGINE_LOST, Engine, EngineError, Prepared
from asr.held import HeldRequests
from asr.lane import Lane, LaneHealth, Loss
from asr.outcomes import Deliver, OpenRequests, deliver_all, outcomes_of, told
from asr.types import DecodeFailed, DecodeKind, DecodeOutcome, DecodeRequest
from asr.worker_load import SchedulerStats, WorkerLoad

logger = logging.getLogger(__name__)

Clock: TypeAlias = Callable[[], float]


class Scheduler:
    """Decodes requests in batches. All methods are called on the loop.

    `deliver` is called on the loop too, never from within `submit` or `retire`.
    """

    def __init__(self, *, dsp: Executor, clock: Clock, decode_timeout_s: float = 60.0) -> None:
        """`dsp` runs `Engine.prepare`; `clock` gives monotonic seconds, in any thread."""
        self._dsp = dsp
        self._clock = clock
        self._decode_timeout_s = decode_timeout_s
        self._lanes: dict[str, Lane] = {}
        self._held = HeldRequests()
        self._open = OpenRequests()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._batches = 0
        self._items = 0
        self._busy_s = 0.0
        self._last_decode_s = 0.0
        self._load = WorkerLoad()
        self._losses: Counter[Loss] = Counter()

    def attach(self, model_id: str, engine: Engine) -> None:
        """Take requests for a model from now on, those held first. The caller closes the engine."""
        if model_id in self._lanes:
            raise ValueError(f"{model_id} is attached already")
        lane = self._lanes[model_id] = Lane.of(model_id, engine, self._clock, self._losses)
        for request in self._held.release(model_id):
            self._enqueue(lane, request, bounded=False)

    async def detach(self, model_id: str) -> None:
        """Refuse new requests for a model, finish those there are, let go of its engine.

        No call of the engine runs afterwards. Cancelled, the model stays attached. A model that
        is not attached (any more) is not an error.
        """
        lane = self._lanes.get(model_id)
        if lane is None:
            return
        lane.detaching = True
        try:
            await lane.idle.wait()
        except asyncio.CancelledError:
            lane.detaching = False
            raise
        if self._lanes.pop(model_id, None) is not None:
            lane.dismiss()

    def exchange(self, model_id: str, engine: Engine) -> asyncio.Task[None] | None:
        """Have another engine of an attached model decode from now on; None: it is not attached.

        The task ends when no call of the old engine runs any more: never, if one hangs.
        """
        lane = self._lanes.get(model_id)
        if lane is None:
            return None
        old = lane.exchange(engine)
        self._pump(lane)
        return asyncio.create_task(_all_finished(old), name=f"old engine of {model_id}")

    def look_after(self) -> None:
        """Replace threads that died without a word. To be called now and then."""
        for lane in self._lanes.values():
            lane.mend()
            self._pump(lane)

    def health(self, model_id: str) -> LaneHealth | None:
        """Whether a model's decodes get anywhere; None if it is not attached."""
        lane = self._lanes.get(model_id)
        return None if lane is None else lane.health

    def hold(self, model_id: str) -> None:
        """Keep requests for a model until it is attached, or `reroute` says otherwise."""
        self._held.hold(model_id)

    def reroute(self, model_id: str, answers: str | None) -> None:
        """Have another model decode what is held for this one; None: it fails."""
        lane = self._lanes.get(answers) if answers is not None else None
        for request in self._held.release(model_id):
            if lane is None or lane.detaching:
                self._refuse(request, "model_not_loaded", f"{model_id} could not be loaded")
            else:
                self._enqueue(lane, request, bounded=False)

    def submit(self, request: DecodeRequest, deliver: Deliver) -> None:
        """Have a request decoded; `deliver` gets its one outcome, later."""
        self._open.add(request, deliver)
        lane = self._lanes.get(request.model_id)
        if self._closing:
            self._refuse(request, "shutting_down", "the server is shutting down")
        elif self._held.holds(request.model_id):
            self._settle_soon(self._held.add(request))
        elif lane is None or lane.detaching:
            self._refuse(request, "model_not_loaded", f"{request.model_id} is not loaded")
        elif lane.stuck:
            self._refuse(request, "decode_timeout", "every decode worker hangs")
        else:
            self._enqueue(lane, request)

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        """Drop what was submitted for an utterance, of one kind or (None) of both.

        What runs already runs on, and its result is delivered.
        """
        whom = (stream_id, epoch, utterance_id)
        self._settle_soon(self._held.retire(whom, kind))
        for lane in self._lanes.values():
            self._settle_soon(lane.retire(whom, kind))
            lane.note_idle()

    def stats(self) -> SchedulerStats:
        """Counters of all models together."""
        waiting = [lane.queue.waiting for lane in self._lanes.values()]
        return SchedulerStats(
            batches=self._batches,
            items=self._items,
            failed=self._open.failed,
            dropped=self._open.dropped,
            busy_s=self._busy_s,
            last_decode_s=self._last_decode_s,
            waiting_partials=sum(each.partials for each in waiting),
            waiting_finals=sum(each.finals for each in waiting),
            waiting_audio_s=sum(each.final_s for each in waiting),
            load=self._load.share(
                self._clock(), sum(lane.engine.info.workers for lane in self._lanes.values())
            ),
            threads_lost={loss.value: self._losses[loss] for loss in Loss},
        )

    async def close(self, grace_s: float = 5.0) -> None:
        """Fail what is open with `shutting_down`, then wait for calls that run, up to `grace_s`.

        A call that outlasts it is abandoned in its thread, and said so in the log.
        """
        self._closing = True
        self._held.clear()
        for lane in self._lanes.values():
            lane.clear()
            if lane.alarm is not None:
                lane.alarm.cancel()
        self._fail(self._open.of_model(None), "shutting_down", "the server is shutting down")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                logger.error("%s: still running after %.1f s, abandoned", task.get_name(), grace_s)
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for lane in self._lanes.values():
            lane.dismiss()
            lane.idle.set()  # wakes who waits in `detach`
        self._lanes.clear()
        await asyncio.sleep(0)  # what was to be delivered soon is delivered

    # -- on the way to the queue ----------------------------------------------------------------

    def _enqueue(self, lane: Lane, request: DecodeRequest, *, bounded: bool = True) -> None:
        lane.preparing.add(request)
        lane.note_idle()
        self._spawn(self._prepare(lane, request, bounded), f"prepare {request.request_id}")

    async def _prepare(self, lane: Lane, request: DecodeRequest, bounded: bool) -> None:
        outcomes: list[DecodeOutcome] = []
        loop, engine = asyncio.get_running_loop(), lane.engine
        try:
            prepared = await loop.run_in_executor(self._dsp, engine.prepare, request)
            if request in self._open:  # else it was retired or failed meanwhile
                dropped = lane.queue.offer(prepared, self._clock(), bounded=bounded)
                outcomes += map(told, dropped)
        except EngineError as error:
            lane.engine_lost |= error.code == ENGINE_LOST and engine is lane.engine
            outcomes.append(DecodeFailed(request, error.code, error.message))
        except Exception as error:
            logger.exception("prepare failed")
            outcomes.append(DecodeFailed(request, "internal_error", repr(error)))
        finally:
            lane.preparing.discard(request)
            self._pump(lane)
        self._settle(outcomes)

    # -- decoding -------------------------------------------------------------------------------

    def _pump(self, lane: Lane) -> None:
        """Give every free worker the best batch there is."""
        while lane.free and not self._closing:
            taken, again = lane.take(self._clock())
            self._settle_soon(taken.dropped)
            if not taken.batch:
                self._look_again(lane)
                break
            worker = lane.free.pop()
            self._batches += 1
            work = self._run(lane, worker, taken.batch, again=again)
            self._spawn(work, f"batch {self._batches}")
        lane.note_idle()

    def _look_again(self, lane: Lane) -> None:
        """A partial gets the last worker once it starves: no request and no result may tell us."""
        if lane.alarm is None and not self._closing and lane.queue.waiting.partials:
            loop = asyncio.get_running_loop()
            lane.alarm = loop.call_later(STARVED_PARTIAL_S, self._on_alarm, lane)

    def _on_alarm(self, lane: Lane) -> None:
        lane.alarm = None
        self._pump(lane)

    async def _run(
        self, lane: Lane, worker: DecodeWorker, batch: Sequence[Prepared], *, again: bool
    ) -> None:
        outcomes: list[DecodeOutcome] = []
        began_s = self._clock()
        self._load.began(began_s)
        call = worker.decode(batch)
        loss = None
        try:
            await asyncio.wait({call}, timeout=self._decode_timeout_s)
            if not call.done():
                loss = Loss.HUNG
            elif call.exception() is not None:
                loss = Loss.DIED
            if loss is None:
                lane.queue.done(batch)
                outcomes = self._outcomes(lane, worker, batch, call.result())
            else:
                outcomes = self._lose(lane, worker, batch, loss, again=again)
        finally:
            self._load.ended(began_s, self._clock())
            if loss is None:
                lane.give_back(worker)
            self._pump(lane)  # before the results are told: the worker is not to wait for that
        self._settle(outcomes)
        if loss is Loss.HUNG:
            await self._wait_out(lane, worker)

    def _lose(
        self,
        lane: Lane,
        worker: DecodeWorker,
        batch: Sequence[Prepared],
        loss: Loss,
        *,
        again: bool,
    ) -> list[DecodeOutcome]:
        """A worker did not answer. What it had goes to another one, or fails at the second time."""
        lane.lose(worker, loss)
        message = "the decode thread died"
        if loss is Loss.HUNG:
            message = f"no result after {self._decode_timeout_s:.0f} s"
        hanging = f", {len(lane.abandoned)} threads hang" if lane.abandoned else ""
        logger.error("model %s, batch of %d: %s%s", lane.model_id, len(batch), message, hanging)
        if not again and not lane.stuck and not self._closing:
            wanted = [prepared for prepared in batch if prepared.request in self._open]
            lane.again.extend(wanted)
            lane.queue.done([prepared for prepared in batch if prepared not in wanted])
            return []
        lane.queue.done(batch)
        failed = [prepared.request for prepared in batch]
        if lane.stuck:
            logger.critical("model %s: every decode thread hangs", lane.model_id)
            failed += [*lane.clear(), *lane.preparing]
        return [DecodeFailed(request, loss.value, message) for request in failed]

    async def _wait_out(self, lane: Lane, worker: DecodeWorker) -> None:
        """The thread is nobody's until its call returns."""
        await worker.finished()
        logger.warning("an overdue batch came back; its results are ignored")
        lane.came_back(worker)
        self._pump(lane)

    def _outcomes(
        self, lane: Lane, worker: DecodeWorker, batch: Sequence[Prepared], decoded: Decoded
    ) -> list[DecodeOutcome]:
        self._items += len(batch)
        self._busy_s += decoded.decode_s
        self._last_decode_s = decoded.decode_s
        outcomes = outcomes_of(batch, decoded, lane.engine.info.model_id)
        codes = {outcome.code for outcome in outcomes if isinstance(outcome, DecodeFailed)}
        lane.engine_lost |= ENGINE_LOST in codes and worker in lane.workers
        return outcomes

    # -- outcomes -------------------------------------------------------------------------------

    def _refuse(self, request: DecodeRequest, code: str, message: str) -> None:
        self._settle_soon([DecodeFailed(request, code, message)])

    def _fail(self, requests: Iterable[DecodeRequest], code: str, message: str) -> None:
        self._settle([DecodeFailed(request, code, message) for request in requests])

    def _settle(self, outcomes: Iterable[DecodeOutcome]) -> None:
        deliver_all(self._open.settle(outcomes))

    def _settle_soon(self, outcomes: Iterable[DecodeOutcome]) -> None:
        """As `_settle`, but deliver after the current call of a caller."""
        settled = self._open.settle(outcomes)
        if settled:
            asyncio.get_running_loop().call_soon(deliver_all, settled)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("%s failed", task.get_name(), exc_info=task.exception())


async def _all_finished(workers: Iterable[DecodeWorker]) -> None:
    for worker in workers:
        await worker.finished()
