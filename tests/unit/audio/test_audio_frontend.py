"""One stream's front end: windows, positions, flush, settings, noise reduction."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from audio.frontend import StreamFrontend
from audio.types import (
    WINDOW_SAMPLES,
    EndReason,
    FrontendConfig,
    FrontendItem,
    NoiseReduction,
    PcmBlock,
    Samples,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    VadKind,
    ms_to_samples,
)
from audio.vad import SileroModel
from tests.support.audio_signals import noise, silence, synthetic_speech, to_rate, tone

ENERGY = FrontendConfig(vad=VadKind.ENERGY, noise_reduction=NoiseReduction.OFF)
SILERO = FrontendConfig(noise_reduction=NoiseReduction.OFF)


@pytest.fixture(scope="module")
def silero() -> SileroModel:
    return SileroModel()


def run(frontend: StreamFrontend, samples: Samples, size: int = 320) -> list[FrontendItem]:
    items: list[FrontendItem] = []
    for start in range(0, len(samples), size):
        items += frontend.push(samples[start : start + size])
    return items + frontend.flush()


def events_of(items: list[FrontendItem]) -> list[SpeechEvent]:
    return [item for item in items if not isinstance(item, PcmBlock)]


def blocks_of(items: list[FrontendItem]) -> list[PcmBlock]:
    return [item for item in items if isinstance(item, PcmBlock)]


def audio_of(items: list[FrontendItem]) -> Samples:
    return np.concatenate([block.samples for block in blocks_of(items)])


def noisy_talk(seed: int = 0) -> Samples:
    """Four seconds of noise, then words in it, loud enough to set off the gate."""
    talk = [silence(4), synthetic_speech(2, seed), silence(2), synthetic_speech(1, seed + 1)]
    samples = np.concatenate([*talk, silence(1)])
    return samples + noise(len(samples) / 16_000, 0.02, seed)


def test_blocks_tile_the_stream(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, SILERO, silero)
    samples = noise(1.0, 0.1)[:-100]
    items = run(frontend, samples)
    blocks = blocks_of(items)
    assert [block.start_sample for block in blocks] == list(range(0, len(samples), WINDOW_SAMPLES))
    assert {len(block.samples) for block in blocks[:-1]} == {WINDOW_SAMPLES}
    assert np.array_equal(audio_of(items), samples)
    assert frontend.position_samples == len(samples)


def test_events_follow_the_block_that_caused_them(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, ENERGY, silero)
    items = frontend.push(np.concatenate((silence(0.512), tone(300, 1.024))))
    index = next(i for i, item in enumerate(items) if isinstance(item, SpeechStarted))
    started, before = items[index], items[index - 1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(before, PcmBlock)
    assert started.detected_sample == before.end_sample == ms_to_samples(512 + 224)
    assert started.start_sample == ms_to_samples(512 - 300)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_positions_are_on_the_16_khz_clock(silero: SileroModel, rate_hz: int) -> None:
    audio = np.concatenate((silence(1), tone(300, 1), silence(1)))
    items = run(StreamFrontend(rate_hz, ENERGY, silero), to_rate(audio, rate_hz))
    assert len(audio_of(items)) == 48_000
    started, ended = (e for e in events_of(items) if isinstance(e, SpeechStarted | SpeechEnded))
    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert abs(started.start_sample - ms_to_samples(700)) <= WINDOW_SAMPLES
    assert abs(ended.end_sample - ms_to_samples(2_096)) <= WINDOW_SAMPLES


def test_silero_finds_words(silero: SileroModel) -> None:
    audio = np.concatenate((silence(1), synthetic_speech(1), silence(1), synthetic_speech(1)))
    events = events_of(run(StreamFrontend(16_000, SILERO, silero), audio))
    ended = [event.reason for event in events if isinstance(event, SpeechEnded)]
    assert ended == [EndReason.SILENCE, EndReason.FLUSH]


@pytest.mark.parametrize("last_ms", [70, 100, 230])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_a_word_in_the_last_moment_is_not_lost(
    silero: SileroModel, last_ms: int, rate_hz: int
) -> None:
    audio = np.concatenate((silence(1.02), tone(300, last_ms / 1000)))
    frontend = StreamFrontend(rate_hz, ENERGY, silero)
    items = run(frontend, to_rate(audio, rate_hz))
    started, ended = events_of(items)
    assert isinstance(started, SpeechStarted)
    assert started.start_sample < ms_to_samples(1_020)
    assert ended == SpeechEnded(len(audio), EndReason.FLUSH)
    assert not frontend.mid_speech


def test_after_a_flush_the_stream_goes_on_where_it_ended(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, ENERGY, silero)
    run(frontend, noise(0.1, 0.001))
    assert frontend.flush() == []
    items = run(frontend, noise(0.1, 0.001))
    assert [b.start_sample for b in blocks_of(items)] == [1_600, 2_112, 2_624, 3_136]


def test_a_flush_makes_the_detector_forget(silero: SileroModel) -> None:
    talk = np.concatenate((synthetic_speech(1.5), silence(1)))
    frontend = StreamFrontend(16_000, SILERO, silero)
    first = events_of(run(frontend, talk))
    second = events_of(run(frontend, talk))
    assert len(second) == len(first) > 0


def test_mid_speech(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, ENERGY, silero)
    frontend.push(silence(0.5))
    assert not frontend.mid_speech
    frontend.push(tone(300, 0.1))
    assert frontend.mid_speech
    frontend.push(silence(1))
    assert not frontend.mid_speech


def test_settings_change_on_the_way(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, ENERGY, silero)
    quiet_tone = tone(300, 1, level=0.02)
    assert events_of(frontend.push(quiet_tone)) == []
    frontend.set_config(replace(ENERGY, energy_threshold=0.005))
    assert any(isinstance(e, SpeechStarted) for e in frontend.push(quiet_tone))
    frontend.set_config(SILERO)
    ended = events_of(frontend.push(np.concatenate((quiet_tone, quiet_tone))))
    assert isinstance(ended[-1], SpeechEnded)


def test_a_new_source_rate_flushes_and_keeps_the_clock(silero: SileroModel) -> None:
    frontend = StreamFrontend(16_000, ENERGY, silero)
    before = frontend.push(tone(300, 1)) + frontend.set_source_rate(48_000)
    assert isinstance(before[-1], SpeechEnded)
    assert frontend.position_samples == 16_000
    after = run(frontend, tone(300, 1, 48_000))
    assert blocks_of(after)[0].start_sample == 16_000
    assert frontend.position_samples == 32_000


def test_off_means_no_noise_reduction_at_all() -> None:
    code = (
        "import sys; from audio.frontend import *; from audio.types import *;"
        "config = FrontendConfig(noise_reduction=NoiseReduction.OFF);"
        "StreamFrontend(16_000, config, SileroModel());"
        "print('noisereduce' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_vad_denoises_for_the_detector_alone(silero: SileroModel) -> None:
    samples = noisy_talk()
    items = run(StreamFrontend(16_000, FrontendConfig(), silero), samples)
    assert np.array_equal(audio_of(items), samples)
    assert sum(isinstance(event, SpeechStarted) for event in events_of(items)) == 2


def test_on_denoises_for_the_recogniser_too(silero: SileroModel) -> None:
    samples = noisy_talk()
    config = FrontendConfig(noise_reduction=NoiseReduction.ON)
    items = run(StreamFrontend(16_000, config, silero), samples)
    heard = audio_of(items)
    assert len(heard) == len(samples)
    assert np.array_equal(heard[:16_000], samples[:16_000])
    quiet = slice(2 * 16_000, 4 * 16_000)
    assert np.std(heard[quiet]) < 0.65 * np.std(samples[quiet])


@pytest.mark.parametrize("mode", [NoiseReduction.VAD, NoiseReduction.ON])
def test_noise_reduction_does_not_depend_on_the_cut(
    silero: SileroModel, mode: NoiseReduction
) -> None:
    samples = noisy_talk()
    config = FrontendConfig(noise_reduction=mode)
    whole = run(StreamFrontend(16_000, config, silero), samples, len(samples))
    for size in (77, 512, 16_000):
        cut = run(StreamFrontend(16_000, config, silero), samples, size)
        assert events_of(cut) == events_of(whole)
        assert np.array_equal(audio_of(cut), audio_of(whole))


@pytest.mark.parametrize("windows", [100, 101])
@pytest.mark.parametrize("mode", NoiseReduction)
def test_no_window_is_lost_when_noise_reduction_is_switched(
    silero: SileroModel, mode: NoiseReduction, windows: int
) -> None:
    """Whether or not a window waits for its pair at that moment."""
    samples = noisy_talk()
    frontend = StreamFrontend(16_000, FrontendConfig(), silero)
    items = frontend.push(samples[: windows * WINDOW_SAMPLES])
    frontend.set_config(FrontendConfig(noise_reduction=mode))
    items += frontend.push(samples[windows * WINDOW_SAMPLES :]) + frontend.flush()
    starts = [block.start_sample for block in blocks_of(items)]
    assert starts == list(range(0, len(samples), WINDOW_SAMPLES))
    assert len(audio_of(items)) == len(samples)


def test_energy_goes_by_the_denoised_signal(silero: SileroModel) -> None:
    """Noise that alone reaches the threshold, once the gate has learned it in its lulls."""
    samples = noise(4, 0.018)
    samples[2 * 16_000 :] = noise(2, 0.022)
    plain = events_of(run(StreamFrontend(16_000, ENERGY, silero), samples))
    config = replace(ENERGY, noise_reduction=NoiseReduction.VAD)
    assert any(isinstance(event, SpeechStarted) for event in plain)
    assert events_of(run(StreamFrontend(16_000, config, silero), samples)) == []
