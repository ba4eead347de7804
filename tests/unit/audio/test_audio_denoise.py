"""The streaming spectral gate: what it learns, what it changes, that it cannot lock in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio.denoise import (
    FFT_SAMPLES,
    HANGOVER_WINDOWS,
    HOP_SAMPLES,
    LOOKAHEAD_WINDOWS,
    RELEARN_WINDOWS,
    STRENGTH,
    SpectralGateDenoiser,
)
from audio.types import WINDOW_SAMPLES, Samples
from audio.vad import SileroDetector, SileroModel
from tests.support.audio_signals import noise, read_wav, rms_db, silence, synthetic_speech, tone

BLOCK_SAMPLES = 2 * WINDOW_SAMPLES
FIRST_PROFILE = HANGOVER_WINDOWS + LOOKAHEAD_WINDOWS + RELEARN_WINDOWS


def learned(samples: Samples, probability: float = 0.0) -> SpectralGateDenoiser:
    denoiser = SpectralGateDenoiser()
    teach(denoiser, samples, probability)
    return denoiser


def teach(denoiser: SpectralGateDenoiser, samples: Samples, probability: float) -> None:
    for start in range(0, len(samples) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES):
        denoiser.learn(samples[start : start + WINDOW_SAMPLES], probability)


def cleaned(denoiser: SpectralGateDenoiser, samples: Samples) -> Samples:
    blocks = range(0, len(samples), BLOCK_SAMPLES)
    return np.concatenate([denoiser.clean(samples[i : i + BLOCK_SAMPLES]) for i in blocks])


def test_it_is_inactive_until_it_has_heard_a_second_of_noise() -> None:
    denoiser = SpectralGateDenoiser()
    hiss = noise(3.0, 0.02)
    for index in range(FIRST_PROFILE):
        assert not denoiser.active
        denoiser.learn(hiss[index * WINDOW_SAMPLES :][:WINDOW_SAMPLES], 0.1)
    assert denoiser.active


@pytest.mark.parametrize("samples", [noise(3.0, 0.002), silence(3.0)])
def test_inaudible_noise_is_left_alone(samples: Samples) -> None:
    denoiser = learned(samples)
    assert not denoiser.active
    assert np.array_equal(cleaned(denoiser, samples), samples)


def test_steady_noise_is_halved_and_speech_is_kept() -> None:
    hiss = noise(6.0, 0.02)
    denoiser = learned(hiss[:48_000])
    speech = synthetic_speech(3.0)
    quiet = cleaned(denoiser, hiss[48_000:])
    assert rms_db(quiet) < rms_db(hiss[48_000:]) - 4
    denoiser.restart()
    kept = cleaned(denoiser, speech + hiss[48_000:])
    assert abs(rms_db(kept) - rms_db(speech)) < 1


def test_a_block_keeps_its_length_and_place() -> None:
    denoiser = learned(noise(3.0, 0.02))
    samples = noise(0.5, 0.02, seed=1) + tone(1_000, 0.5, level=0.4)
    out = cleaned(denoiser, samples)
    assert len(out) == len(samples)
    middle = slice(2_000, -100)
    lag = int(np.correlate(out[middle], samples[middle], "full").argmax()) - len(out[middle]) + 1
    assert lag == 0
    assert len(denoiser.clean(samples[:77])) == 77


def test_blocks_sound_like_the_library_on_the_whole_file() -> None:
    """What differs at block ends is 15 dB below the noise itself."""
    import noisereduce

    hiss = noise(6.0, 0.02)
    profile = hiss[(HANGOVER_WINDOWS + 1) * WINDOW_SAMPLES :][: RELEARN_WINDOWS * WINDOW_SAMPLES]
    denoiser = learned(hiss[: FIRST_PROFILE * WINDOW_SAMPLES])
    samples = synthetic_speech(3.0) + hiss[48_000:]
    offline = noisereduce.reduce_noise(
        y=samples,
        sr=16_000,
        stationary=True,
        y_noise=profile,
        prop_decrease=STRENGTH,
        n_fft=FFT_SAMPLES,
        hop_length=HOP_SAMPLES,
    )
    difference = cleaned(denoiser, samples)[4_000:-4_000] - offline[4_000:-4_000]
    assert rms_db(difference) < rms_db(hiss) - 15


def test_neither_speech_nor_its_edges_are_learned() -> None:
    hiss, loud = noise(10.0, 0.01), noise(10.0, 0.3)
    denoiser = learned(hiss[:48_000])
    floor = rms_db(cleaned(denoiser, loud[:16_000]))
    for start in range(0, 96_000, 16_000):
        teach(denoiser, loud[start : start + 8_000], 0.9)
        teach(denoiser, loud[start : start + HANGOVER_WINDOWS * WINDOW_SAMPLES], 0.1)
        teach(denoiser, hiss[start : start + 10 * WINDOW_SAMPLES], 0.1)
        teach(denoiser, loud[start : start + LOOKAHEAD_WINDOWS * WINDOW_SAMPLES], 0.1)
    denoiser.restart()
    assert abs(rms_db(cleaned(denoiser, loud[:16_000])) - floor) < 0.1


def test_the_profile_follows_the_noise() -> None:
    denoiser = learned(noise(3.0, 0.05))
    teach(denoiser, noise(4.0, 0.001), 0.0)
    assert not denoiser.active


def test_half_a_minute_of_speech_is_not_taken_for_noise(thai_eval_dir: Path) -> None:
    """With the real detector judging the original, speech comes out as loud as it went in."""
    file = read_wav(thai_eval_dir / "long" / "gcompris_read.wav")[: 30 * 16_000]
    samples = file + noise(30.0, 0.01, seed=3)
    detector, denoiser = SileroDetector(SileroModel()), SpectralGateDenoiser()
    loss_db = []
    active = 0
    for start in range(0, len(samples) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
        block = samples[start : start + BLOCK_SAMPLES]
        for window in block.reshape(2, WINDOW_SAMPLES):
            denoiser.learn(window, detector.probability(window))
        active += denoiser.active
        out = denoiser.clean(block)
        original = rms_db(file[start : start + BLOCK_SAMPLES])
        if original > -25:
            loss_db.append(rms_db(block) - rms_db(out))
    assert active > 300
    assert len(loss_db) > 200
    # With speech for a profile it would be 4 dB.
    assert np.mean(loss_db) < 1
    assert np.mean(loss_db[-50:]) < 1


def test_the_slow_import_waits_for_the_first_denoiser() -> None:
    code = "import sys, audio.denoise; print('noisereduce' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
