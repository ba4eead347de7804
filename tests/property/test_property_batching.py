"""The batch queue under any order of offers, takes, retirements and completions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from asr.batching import MAX_FINAL_BATCHES_IN_A_ROW, BatchQueue
from asr.engine import Prepared
from asr.types import DecodeDropped, DecodeKind, DecodeOptions, DecodeRequest
from audio.types import SAMPLE_RATE_HZ

STREAMS = st.sampled_from("abc")
MAX_BATCH = 2
MAX_FINAL_S = 12.0
MAX_AGE_S = 2.0
TEMPLATE = DecodeRequest(
    request_id=0,
    stream_id="a",
    epoch=0,
    utterance_id=1,
    revision=0,
    kind=DecodeKind.PARTIAL,
    audio=np.zeros(2 * SAMPLE_RATE_HZ, np.float32),
    options=DecodeOptions(),
    model_id="m",
    created_s=0.0,
    deadline_s=0.0,
)


class QueueMachine(RuleBasedStateMachine):
    """Every request is somewhere: waiting, running, done, or dropped with a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = BatchQueue(MAX_BATCH, MAX_FINAL_S, MAX_AGE_S)
        self.now_s = 0.0
        self.count = 0
        self.utterance = dict.fromkeys("abc", 1)
        self.waiting: dict[DecodeRequest, Prepared] = {}
        self.running: list[tuple[Prepared, ...]] = []
        self.final_batches = 0
        self.served: dict[str, int] = dict.fromkeys("abc", 0)

    def drop(self, dropped: list[DecodeDropped] | tuple[DecodeDropped, ...]) -> None:
        for each in dropped:
            del self.waiting[each.request]  # a request that never waited, or twice: KeyError
            if each.request.kind is DecodeKind.FINAL:
                assert each.reason in ("retired", "overloaded")

    @rule(
        stream=STREAMS,
        final=st.sampled_from([False, False, True]),
        key=st.sampled_from("xy"),
        late_s=st.floats(0, 3),
    )
    def offer(self, stream: str, final: bool, key: str, late_s: float) -> None:
        self.count += 1
        request = replace(
            TEMPLATE,
            request_id=self.count,
            stream_id=stream,
            utterance_id=self.utterance[stream],
            revision=self.count,
            kind=DecodeKind.FINAL if final else DecodeKind.PARTIAL,
            created_s=self.now_s,
            deadline_s=self.now_s + late_s,
        )
        prepared = Prepared(request, key, None)
        self.waiting[request] = prepared
        self.drop(self.queue.offer(prepared, self.now_s))
        if final:
            self.utterance[stream] += 1

    @rule(stream=STREAMS, kind=st.sampled_from([None, *DecodeKind]))
    def retire(self, stream: str, kind: DecodeKind | None) -> None:
        before = len(self.waiting)
        dropped = self.queue.retire(stream, 0, self.utterance[stream], kind)
        self.drop(dropped)
        assert all(each.request.stream_id == stream for each in dropped)
        assert before - len(self.waiting) == len(dropped)

    @rule()
    def take(self) -> None:
        self.count += 1
        runs = {made.request.stream_id for batch in self.running for made in batch}
        taken = self.queue.take(self.now_s)
        self.drop(taken.dropped)
        batch = taken.batch
        if not batch:
            idle = [
                r for r in self.waiting if r.kind is DecodeKind.FINAL or r.stream_id not in runs
            ]
            assert not idle  # work-conserving
            return
        self.check_batch(batch, runs)
        for made in batch:
            del self.waiting[made.request]
        self.running.append(batch)

    def check_batch(self, batch: tuple[Prepared, ...], runs: set[str]) -> None:
        assert len(batch) <= MAX_BATCH
        assert len({(made.batch_key, made.request.kind) for made in batch}) == 1
        streams = [made.request.stream_id for made in batch]
        if batch[0].request.kind is DecodeKind.FINAL:
            soonest = min(r.deadline_s for r in self.waiting if r.kind is DecodeKind.FINAL)
            assert batch[0].request.deadline_s == soonest
            self.final_batches += 1
            return
        assert len(set(streams)) == len(streams)
        assert not runs.intersection(streams)
        assert all(self.now_s - made.request.created_s <= MAX_AGE_S for made in batch)
        self.check_fairness(streams, runs)

    def check_fairness(self, served: list[str], runs: set[str]) -> None:
        """Finals go first but for a starved partial; the least recently served stream leads."""
        if any(request.kind is DecodeKind.FINAL for request in self.waiting):
            assert self.final_batches >= MAX_FINAL_BATCHES_IN_A_ROW
        self.final_batches = 0
        able = {r.stream_id for r in self.waiting if r.kind is DecodeKind.PARTIAL} - runs
        assert self.served[served[0]] == min(self.served[stream] for stream in able)
        for stream in served:
            self.served[stream] = self.count

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        batch = data.draw(st.sampled_from(self.running))
        self.running.remove(batch)
        self.queue.done(batch)

    @rule(seconds=st.floats(0.01, 1.0))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def counts_match(self) -> None:
        finals = [r for r in self.waiting if r.kind is DecodeKind.FINAL]
        waiting = self.queue.waiting
        assert waiting.finals == len(finals)
        assert waiting.partials == len(self.waiting) - len(finals) <= len(self.utterance)
        assert waiting.final_s == sum(r.audio_s for r in finals) <= MAX_FINAL_S


TestBatchQueue = QueueMachine.TestCase
TestBatchQueue.settings = settings(max_examples=150, stateful_step_count=40)
