"""Rolling audio: positions, copies, bounds, cost."""

from __future__ import annotations

import numpy as np
import pytest

from audio.ring import INITIAL_SAMPLES, RollingAudio
from audio.types import PcmBlock


def block(start: int, count: int) -> PcmBlock:
    """Samples whose values are their positions."""
    return PcmBlock(start, np.arange(start, start + count, dtype=np.float32))


def test_it_holds_what_was_appended() -> None:
    ring = RollingAudio()
    assert (ring.start_sample, ring.end_sample) == (0, 0)
    ring.append(block(0, 512))
    ring.append(block(512, 100))
    assert (ring.start_sample, ring.end_sample) == (0, 612)
    assert ring.slice(500, 520).tolist() == list(range(500, 520))
    assert ring.slice(612, 612).tolist() == []


def test_the_first_block_sets_the_position() -> None:
    ring = RollingAudio()
    ring.append(block(1_000, 10))
    assert ring.slice(1_002, 1_004).tolist() == [1_002, 1_003]


def test_a_slice_is_a_contiguous_copy() -> None:
    ring = RollingAudio()
    ring.append(block(0, 10))
    part = ring.slice(0, 10)
    part[:] = -1
    assert ring.slice(0, 1).tolist() == [0]
    assert part.flags.c_contiguous
    assert part.flags.owndata
    assert part.dtype == np.float32


def test_the_block_may_be_changed_afterwards() -> None:
    ring = RollingAudio()
    given = block(0, 10)
    ring.append(given)
    given.samples[:] = -1
    assert ring.slice(0, 2).tolist() == [0, 1]


def test_dropping_forgets_and_keeps_positions() -> None:
    ring = RollingAudio()
    ring.append(block(0, 100))
    ring.drop_before(40)
    ring.drop_before(30)
    ring.drop_before(-5)
    assert (ring.start_sample, ring.end_sample) == (40, 100)
    assert ring.slice(40, 42).tolist() == [40, 41]
    ring.drop_before(1_000)
    assert (ring.start_sample, ring.end_sample) == (100, 100)
    ring.append(block(100, 5))
    assert ring.slice(100, 105).tolist() == [100, 101, 102, 103, 104]


@pytest.mark.parametrize(("start", "end"), [(39, 50), (40, 101), (50, 45), (-10, -5), (101, 101)])
def test_outside_is_an_error(start: int, end: int) -> None:
    ring = RollingAudio()
    ring.append(block(0, 100))
    ring.drop_before(40)
    with pytest.raises(IndexError):
        ring.slice(start, end)


@pytest.mark.parametrize("start", [9, 11, 0])
def test_a_gap_or_an_overlap_is_an_error(start: int) -> None:
    ring = RollingAudio()
    ring.append(block(0, 10))
    with pytest.raises(ValueError, match="does not follow"):
        ring.append(block(start, 10))


def test_it_grows_and_rolls_without_losing_a_sample() -> None:
    ring = RollingAudio()
    position = 0
    generator = np.random.default_rng(0)
    for _ in range(2_000):
        count = int(generator.integers(1, 3_000))
        ring.append(block(position, count))
        position += count
        if generator.random() < 0.1:
            ring.drop_before(position - int(generator.integers(0, 400_000)))
        middle = (ring.start_sample + position) // 2
        assert ring.slice(middle, middle + 1)[0] == np.float32(middle)
        assert ring.slice(ring.start_sample, position)[-1] == np.float32(position - 1)


def test_a_steady_window_moves_rarely_and_stays_small() -> None:
    ring = RollingAudio()
    moves = 0
    samples = np.zeros(512, np.float32)
    for index in range(20_000):
        before = ring._offset
        ring.append(PcmBlock(index * 512, samples))
        moves += ring._offset < before
        ring.drop_before(ring.end_sample - 80_000)
    assert len(ring._buffer) <= max(INITIAL_SAMPLES, 2 * (80_000 + 512))
    assert moves * 80_000 <= 20_000 * 512
