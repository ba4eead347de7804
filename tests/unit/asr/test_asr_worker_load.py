from __future__ import annotations

import pytest

from asr.worker_load import WorkerLoad


def test_nothing_done_is_no_load() -> None:
    load = WorkerLoad()
    assert load.share(100.0, workers=2) == 0.0
    assert load.share(100.0, workers=0) == 0.0


def test_one_of_two_workers_busy_half_the_time() -> None:
    load = WorkerLoad()
    load.began(102.0)
    load.ended(102.0, 107.0)
    assert load.share(110.0, workers=2) == pytest.approx(0.25)


def test_only_what_lies_in_the_window_counts() -> None:
    load = WorkerLoad()
    for begin_s, end_s in ((80.0, 85.0), (98.0, 102.0), (104.0, 105.0)):
        load.began(begin_s)
        load.ended(begin_s, end_s)
    assert load.share(110.0, workers=1) == pytest.approx(0.3)
    assert load.share(114.5, workers=1) == pytest.approx(0.05)
    assert load.share(116.0, workers=1) == 0.0


def test_a_call_under_way_counts_up_to_now() -> None:
    load = WorkerLoad()
    load.began(105.0)
    load.began(109.0)
    assert load.share(110.0, workers=2) == pytest.approx(0.3)
    load.ended(105.0, 110.0)
    assert load.share(110.0, workers=2) == pytest.approx(0.3)
    assert load.share(200.0, workers=1) == 1.0


def test_calls_that_began_together_end_apart() -> None:
    load = WorkerLoad()
    load.began(100.0)
    load.began(100.0)
    load.ended(100.0, 101.0)
    load.ended(100.0, 104.0)
    assert load.share(110.0, workers=2) == pytest.approx(0.25)


def test_the_share_of_fewer_workers_than_were_busy_is_one() -> None:
    load = WorkerLoad()
    load.began(100.0)
    load.began(100.0)
    load.ended(100.0, 110.0)
    load.ended(100.0, 110.0)
    assert load.share(110.0, workers=1) == 1.0
