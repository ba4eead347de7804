from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.features import BUCKET_FRAMES, FULL_FRAMES, SHORT_FRAMES, context_frames, log_mel
from audio.types import SAMPLE_RATE_HZ, Samples
from tests.support.audio_signals import noise, silence, synthetic_speech

MEL_BANDS = (80, 128)
ENCODER_STRIDE = 2


def faster_whisper_features(extractor: FeatureExtractor, samples: Samples) -> Samples:
    """What `WhisperModel.transcribe` encodes for a file that ends in silence up to 30 s."""
    features = extractor(np.pad(samples, (0, 30 * SAMPLE_RATE_HZ - len(samples))))
    segment: Samples = pad_or_trim(features[:, : features.shape[-1] - 1])
    return segment


@pytest.mark.parametrize("n_mels", MEL_BANDS)
@pytest.mark.parametrize("seconds", [0.2, 4.321, 30.0])
def test_the_full_window_is_faster_whispers(n_mels: int, seconds: float) -> None:
    extractor = FeatureExtractor(feature_size=n_mels)
    samples = synthetic_speech(seconds) + noise(seconds, 0.01)
    features = log_mel(extractor, samples, FULL_FRAMES)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, faster_whisper_features(extractor, samples))


def test_a_cut_context_is_the_beginning_of_the_full_window() -> None:
    extractor = FeatureExtractor()
    samples = synthetic_speech(2.5)
    full = log_mel(extractor, samples, FULL_FRAMES)
    cut = log_mel(extractor, samples, 400)
    assert cut.shape == (80, 400)
    np.testing.assert_allclose(cut, full[:, :400], atol=1e-6)
    silent = cut[:, 252:]
    assert np.all(silent == silent[0, 0])
    assert silent[0, 0] == cut.min() < 0.0


def test_audio_beyond_the_context_is_cut_off() -> None:
    extractor = FeatureExtractor()
    samples = synthetic_speech(3.0)
    cut = log_mel(extractor, samples, 200)
    np.testing.assert_array_equal(cut, log_mel(extractor, samples[: 2 * SAMPLE_RATE_HZ], 200))
    assert cut.shape == (80, 200)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 400])
def test_hardly_any_audio(samples: int) -> None:
    features = log_mel(FeatureExtractor(), silence(samples / SAMPLE_RATE_HZ), 100)
    assert features.shape == (80, 100)
    assert np.all(np.isfinite(features))


@pytest.mark.parametrize(
    ("seconds", "margin_ms", "frames"),
    [
        (0.0, 0, 100),
        (1.0, 0, 100),
        (1.0 + 1 / SAMPLE_RATE_HZ, 0, 200),
        (1.51, 1_500, 400),
        (2.5, 1_500, 400),
        (2.51, 1_500, 600),
        (4.5, 1_500, 600),
        (29.0, 1_500, 3_000),
        (40.0, 1_500, 3_000),
        (0.5, None, 3_000),
    ],
)
def test_buckets(seconds: float, margin_ms: int | None, frames: int) -> None:
    assert context_frames(round(seconds * SAMPLE_RATE_HZ), margin_ms) == frames


@settings(max_examples=200)
@given(st.integers(0, 40 * SAMPLE_RATE_HZ), st.integers(0, 30_000))
def test_a_bucket_holds_the_audio_and_its_margin(samples: int, margin_ms: int) -> None:
    frames = context_frames(samples, margin_ms)
    wanted_ms = samples * 1_000 / SAMPLE_RATE_HZ + margin_ms
    assert frames == FULL_FRAMES or frames * 10 >= wanted_ms
    step = BUCKET_FRAMES if frames <= SHORT_FRAMES else 2 * BUCKET_FRAMES
    assert frames == BUCKET_FRAMES or (frames - step) * 10 < wanted_ms
    assert frames <= FULL_FRAMES


def test_no_bucket_looks_like_features_once_encoded() -> None:
    buckets = range(BUCKET_FRAMES, FULL_FRAMES + 1, BUCKET_FRAMES)
    assert all(-(-frames // ENCODER_STRIDE) not in MEL_BANDS for frames in buckets)
