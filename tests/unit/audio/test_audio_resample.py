"""The stream resampler: chunking, spectrum, length and delay."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from audio.resample import StreamResampler
from audio.types import SAMPLE_RATE_HZ, Samples
from tests.support.audio_signals import noise, rms_db, sweep, tone

RATES_HZ = [8_000, 11_025, 12_345, 22_050, 44_100, 48_000, 96_000]


def resampled(samples: Samples, rate_hz: int, size: int) -> Samples:
    resampler = StreamResampler(rate_hz)
    out = [resampler.push(samples[i : i + size]) for i in range(0, len(samples), size)]
    return np.concatenate([*out, resampler.flush()])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_any_chunking_gives_the_same_bits(rate_hz: int) -> None:
    samples = noise(1.0, 0.2, rate_hz=rate_hz)[:-3]
    whole = resampled(samples, rate_hz, len(samples))
    for size in (1, 7, rate_hz // 50, rate_hz // 3):
        assert np.array_equal(resampled(samples, rate_hz, size), whole), size


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_chunk_borders_are_inaudible(rate_hz: int) -> None:
    """A sweep in 20 ms chunks equals the sweep sampled at 16 kHz, edges aside."""
    high_hz = min(6_000, rate_hz * 0.42)
    ours = resampled(sweep(50, high_hz, 3.0, rate_hz), rate_hz, rate_hz // 50)
    ideal = sweep(50, high_hz, 3.0, SAMPLE_RATE_HZ)
    middle = slice(1_600, -1_600)
    assert rms_db(ours[middle] - ideal[middle]) < -90


def test_a_tone_stays_pure() -> None:
    out = resampled(tone(1_000, 3.0, 44_100), 44_100, 441 * 2)[8_000:40_000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(out * np.blackman(len(out))))
    peak = int(spectrum.argmax())
    rest = np.concatenate((spectrum[: peak - 5], spectrum[peak + 6 :]))
    assert 20 * np.log10(rest.max() / spectrum[peak]) < -100


def test_what_16_khz_cannot_hold_vanishes() -> None:
    out = resampled(tone(12_000, 2.0, 48_000), 48_000, 960)
    assert rms_db(out[3_200:-3_200]) < -100


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("count", [0, 1, 5, 1_234, 20_011])
def test_length_is_that_of_the_source(rate_hz: int, count: int) -> None:
    out = resampled(np.full(count, 0.25, np.float32), rate_hz, 512)
    assert len(out) == round(count * SAMPLE_RATE_HZ / rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_the_delay_is_compensated(rate_hz: int) -> None:
    samples = np.zeros(rate_hz, np.float32)
    samples[rate_hz // 2] = 1.0
    out = resampled(samples, rate_hz, 480)
    assert abs(int(np.abs(out).argmax()) - SAMPLE_RATE_HZ // 2) <= 1


def test_many_flushes_do_not_let_the_clock_drift() -> None:
    resampler = StreamResampler(44_100)
    given = 0
    for count in range(1, 200):
        given += len(resampler.push(noise(1.0, 0.1)[:count])) + len(resampler.flush())
        assert given == round(count * (count + 1) // 2 * SAMPLE_RATE_HZ / 44_100)


def test_after_a_flush_it_starts_anew() -> None:
    samples = noise(0.5, 0.1, rate_hz=48_000)
    resampler = StreamResampler(48_000)
    first = np.concatenate((resampler.push(samples), resampler.flush()))
    second = np.concatenate((resampler.push(samples), resampler.flush()))
    assert np.array_equal(first, second)


def test_16_khz_passes_through_untouched() -> None:
    samples = noise(0.1, 0.1)
    resampler = StreamResampler(SAMPLE_RATE_HZ)
    assert np.array_equal(resampler.push(samples), samples)
    assert len(resampler.flush()) == 0


def test_agrees_with_the_library_offline() -> None:
    samples = noise(1.0, 0.2, rate_hz=44_100)
    offline = soxr.resample(samples, 44_100, SAMPLE_RATE_HZ)
    assert np.array_equal(resampled(samples, 44_100, 1_000), offline)
