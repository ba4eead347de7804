from __future__ import annotations

import pytest

from benchmarks.curve_points import (
    FULL_WINDOW_MS,
    Axis,
    MarginChoice,
    Point,
    Spread,
    choose_batch,
    choose_margin,
    choose_workers,
    recommend,
    spread,
)
from tests.support.curve_points import point


def margins(cers: dict[int | None, float], beam: int = 1) -> list[Point]:
    return [
        point(Axis.CONTEXT, margin_ms=margin_ms, beam=beam, cer=cer)
        for margin_ms, cer in cers.items()
    ]


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0, 9.0]) == Spread(2.5, 1.0, 9.0)


def test_the_smallest_batch_that_costs_about_the_least() -> None:
    costs = {1: 0.20, 2: 0.13, 4: 0.104, 8: 0.10}
    points = [point(batch=batch, cpu=cpu) for batch, cpu in costs.items()]
    assert choose_batch(points, on_gpu=False) == 4
    assert choose_batch([*points, point(batch=16, cpu=0.09)], on_gpu=False) == 16


def test_a_gpu_is_judged_by_wall_time() -> None:
    points = [point(batch=1, cpu=0.1, wall=0.5), point(batch=8, cpu=0.2, wall=0.1)]
    assert choose_batch(points, on_gpu=True) == 8
    assert choose_batch(points, on_gpu=False) == 1


def test_batches_are_compared_with_the_same_workers() -> None:
    curve = [point(batch=batch, cpu=cpu) for batch, cpu in ((1, 0.2), (4, 0.1), (8, 0.1))]
    others = [point(batch=batch, cpu=0.01, shape=(1, 2)) for batch in (1, 8)]
    assert choose_batch([*others, *curve], on_gpu=False) == 4


def shapes(walls: dict[tuple[int, int], tuple[float, float]]) -> list[Point]:
    """Wall times with batches of 1 and of 8."""
    return [
        point(shape=shape, batch=batch, wall=wall)
        for shape, ends in walls.items()
        for batch, wall in zip((1, 8), ends, strict=True)
    ]


@pytest.mark.parametrize(
    ("walls", "workers"),
    [
        ({(1, 2): (0.2, 0.20), (2, 1): (0.3, 0.10)}, 2),
        ({(1, 2): (0.3, 0.10), (2, 1): (0.2, 0.20)}, 1),
        ({(1, 2): (0.2, 0.102), (2, 1): (0.3, 0.10)}, 1),  # alike under load: the faster alone
        ({(1, 2): (0.3, 0.102), (2, 1): (0.2, 0.10), (1, 1): (0.1, 0.01)}, 2),  # not startable
    ],
)
def test_workers(walls: dict[tuple[int, int], tuple[float, float]], workers: int) -> None:
    assert choose_workers(shapes(walls), {(1, 2), (2, 1)}) == workers


def test_a_shape_that_failed_with_the_largest_batch_is_not_chosen() -> None:
    points = [
        point(shape=(1, 2), batch=1, wall=0.1),
        *shapes({(2, 1): (0.3, 0.2)}),
    ]
    assert choose_workers(points, {(1, 2), (2, 1)}) == 2


def test_the_smallest_margin_within_a_point_of_the_best_cut() -> None:
    points = margins({500: 0.375, 1_000: 0.3125, 1_500: 0.3125 - 0.0078125, None: 0.25})
    assert choose_margin(points, 1) == MarginChoice(1, 1_000, 0.3125, 0.0625)


def test_without_a_full_window_the_loss_is_unknown() -> None:
    assert choose_margin(margins({500: 0.3}), 1) == MarginChoice(1, 500, 0.3, None)


def test_a_model_that_no_cut_context_suits_gets_the_full_window() -> None:
    choice = choose_margin(margins({500: 0.9, 2_000: 0.25, None: 0.1}), 1)
    assert choice == MarginChoice(1, FULL_WINDOW_MS, 0.1, 0.0)


def test_each_beam_has_its_own_margin_and_the_smallest_beam_decides() -> None:
    points = [
        *margins({500: 0.25, None: 0.24}, beam=5),
        *margins({500: 0.35, 1_000: 0.30, None: 0.29}, beam=1),
        *shapes({(2, 1): (0.3, 0.1)}),
    ]
    advised = recommend(points, startable={(2, 1)}, on_gpu=False)
    assert [(choice.beam, choice.margin_ms) for choice in advised.margins] == [(1, 1_000), (5, 500)]
    assert advised.context_margin_ms == 1_000
    assert (advised.num_workers, advised.batch_size, advised.utterances) == (2, 1, 16)


def test_what_was_not_measured_is_not_advised() -> None:
    advised = recommend([], startable={(2, 1)}, on_gpu=False)
    assert advised.num_workers is advised.batch_size is advised.context_margin_ms is None
    assert choose_workers([point(shape=(4, 4))], {(2, 1)}) is None
