"""Whatever the memory does, every item is answered once and in its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from asr.engine import Engine, EngineError
from asr.resilient_engine import ResilientEngine
from tests.support.failing_engine import FailingEngine, items


def no_reopening(compute_type: str) -> Engine:
    raise EngineError("model_load_failed", compute_type)


def engine_of(memory: list[int]) -> ResilientEngine:
    """An engine in which as many items fit, call by call; single ones always."""
    left = iter(memory)
    lock = threading.Lock()

    def fits(size: int) -> bool:
        with lock:
            return size <= max(1, next(left, 8))

    return ResilientEngine(FailingEngine(fits=fits), no_reopening, {"float16"})


@given(
    memory=st.lists(st.integers(0, 8), max_size=60),
    batches=st.lists(st.integers(1, 12), min_size=1, max_size=12),
)
def test_every_item_is_answered_once_and_in_order(memory: list[int], batches: list[int]) -> None:
    engine = engine_of(memory)
    for count in batches:
        answers = engine.decode(items(count))
        assert [answer.text for answer in answers] == [str(number) for number in range(count)]


@settings(max_examples=20)
@given(memory=st.lists(st.integers(0, 8), max_size=60))
def test_threads_that_share_the_engine_do_not_mix_their_items(memory: list[int]) -> None:
    engine = engine_of(memory)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(engine.decode, items(count)) for count in (8, 5, 3, 1) * 2]
        for count, task in zip((8, 5, 3, 1) * 2, running, strict=True):
            assert [answer.text for answer in task.result(10)] == list(map(str, range(count)))
