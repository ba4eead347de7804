from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dataset import Pcm16
from benchmarks.mixing import PAD_SAMPLES, at_power, looped, mix, to_pcm, voiced_power


def tone(amplitude: float, samples: int) -> Pcm16:
    wave = amplitude * np.sin(2 * np.pi * 400 * np.arange(samples) / 16_000)
    return np.round(wave).astype(np.int16)


def white(samples: int) -> Pcm16:
    return np.round(500 * np.random.default_rng(7).standard_normal(samples)).astype(np.int16)


SPEECH = np.concatenate((tone(4_000, 16_000), np.zeros(16_000, np.int16)))


def test_the_voice_level_leaves_silence_out() -> None:
    assert voiced_power(SPEECH) == pytest.approx(4_000**2 / 2, rel=1e-3)


@pytest.mark.parametrize("snr_db", [15.0, 5.0, 0.0, -5.0])
def test_the_noise_lies_below_the_voice_by_the_ratio(snr_db: float) -> None:
    mixed = mix(SPEECH, white(9_000), snr_db, offset=123).astype(np.float64)
    rest = mixed - np.pad(SPEECH, PAD_SAMPLES)
    ratio_db = 10 * np.log10(voiced_power(SPEECH) / np.square(rest).mean())
    assert ratio_db == pytest.approx(snr_db, abs=0.05)


def test_noise_comes_before_and_after_the_speech() -> None:
    mixed = mix(SPEECH, white(9_000), 5.0, offset=0)
    assert len(mixed) == len(SPEECH) + 2 * PAD_SAMPLES
    assert np.abs(mixed[:PAD_SAMPLES]).mean() > 100
    assert np.abs(mixed[-PAD_SAMPLES:]).mean() > 100


def test_without_noise_the_padding_is_silent_and_the_speech_untouched() -> None:
    mixed = mix(SPEECH, None, 0.0, offset=0)
    assert not mixed[:PAD_SAMPLES].any()
    assert not mixed[-PAD_SAMPLES:].any()
    assert np.array_equal(mixed[PAD_SAMPLES:-PAD_SAMPLES], SPEECH)


def test_what_would_clip_is_made_quieter_as_a_whole() -> None:
    loud = np.array([0.0, 40_000.0, -64_000.0])
    assert to_pcm(loud).tolist() == [0, 20_000, -32_000]


def test_noise_repeats() -> None:
    recording = np.array([1, 2, 3], np.int16)
    assert looped(recording, 2, 5).tolist() == [3, 1, 2, 3, 1]


def test_power() -> None:
    assert np.square(at_power(np.array([1.0, -3.0, 2.0]), 50.0)).mean() == pytest.approx(50.0)
