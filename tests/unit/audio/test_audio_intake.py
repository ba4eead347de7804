"""One connection's bytes: formats, streams, WAV files, problems."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
import pytest

from audio.intake import AudioIntake, AudioProblem, IntakeResult
from audio.types import (
    AudioFormat,
    ChannelMode,
    Encoding,
    FrontendConfig,
    NoiseReduction,
    PcmBlock,
    Samples,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    VadKind,
)
from audio.vad import SileroModel
from tests.support.audio_signals import FLOAT, noise, pcm16, pieces, silence, tone, wav_bytes

CONFIG = FrontendConfig(vad=VadKind.ENERGY, noise_reduction=NoiseReduction.OFF)
SPLIT = AudioFormat(channels=2, channel_mode=ChannelMode.SPLIT)


@pytest.fixture(scope="module")
def silero() -> SileroModel:
    return SileroModel()


@pytest.fixture
def intake(silero: SileroModel) -> AudioIntake:
    return AudioIntake(CONFIG, silero)


def audio(results: Iterable[IntakeResult], stream: int = 0) -> Samples:
    blocks = [
        item.samples
        for result in results
        for items in result.streams[stream : stream + 1]
        for item in items
        if isinstance(item, PcmBlock)
    ]
    return np.concatenate([np.empty(0, np.float32), *blocks])


def events(results: Iterable[IntakeResult], stream: int = 0) -> list[SpeechEvent]:
    return [
        item
        for result in results
        for items in result.streams[stream : stream + 1]
        for item in items
        if not isinstance(item, PcmBlock)
    ]


def codes(results: Iterable[IntakeResult]) -> list[str]:
    return [problem.code for result in results for problem in result.problems]


def test_without_configuration_it_is_16_khz_mono_pcm16(intake: AudioIntake) -> None:
    samples = noise(0.3, 0.1)
    results = [intake.push(pcm16(samples)), intake.flush()]
    assert intake.audio_format == AudioFormat()
    assert np.abs(audio(results) - samples).max() < 1e-4
    assert codes(results) == []
    assert intake.position_samples == len(samples)


def test_two_channels_are_averaged(intake: AudioIntake) -> None:
    intake.set_format(AudioFormat(channels=2))
    results = [intake.push(pcm16(tone(300, 0.2), -tone(300, 0.2))), intake.flush()]
    assert len(results[0].streams) == 1
    assert len(audio(results)) == 3_200
    assert np.abs(audio(results)).max() == 0


def test_split_makes_two_streams(intake: AudioIntake) -> None:
    intake.set_format(SPLIT)
    left, right = noise(0.2, 0.1, seed=1), noise(0.2, 0.1, seed=2)
    results = [intake.push(pcm16(left, right)), intake.flush()]
    assert [len(result.streams) for result in results] == [2, 2]
    assert np.abs(audio(results, 0) - left).max() < 1e-4
    assert np.abs(audio(results, 1) - right).max() < 1e-4


def test_split_streams_are_judged_apart(intake: AudioIntake) -> None:
    intake.set_format(SPLIT)
    results = [intake.push(pcm16(silence(1), tone(300, 1)))]
    assert events(results, 0) == []
    assert isinstance(events(results, 1)[0], SpeechStarted)
    assert intake.mid_speech


def test_float_and_g711(intake: AudioIntake) -> None:
    samples = noise(0.2, 0.1)
    intake.set_format(AudioFormat(Encoding.FLOAT32))
    results = [intake.push(samples.tobytes())]
    results.append(intake.set_format(AudioFormat(Encoding.MULAW, 8_000)))
    assert np.array_equal(audio(results), samples)
    results = [intake.push(b"\xff" * 800), intake.flush()]
    assert len(audio(results)) == 1_600
    assert not audio(results).any()


def test_a_new_format_flushes_what_came_before(intake: AudioIntake) -> None:
    intake.push(pcm16(tone(300, 1)))
    result = intake.set_format(AudioFormat(sample_rate_hz=48_000))
    assert isinstance(events([result])[-1], SpeechEnded)
    assert intake.position_samples == 16_000
    results = [intake.push(pcm16(tone(300, 0.5, 48_000))), intake.flush()]
    assert len(audio(results)) == 8_000
    assert intake.position_samples == 24_000


def test_a_stream_that_comes_back_goes_on_with_its_clock(intake: AudioIntake) -> None:
    intake.set_format(SPLIT)
    intake.push(pcm16(tone(300, 1), tone(300, 1)))
    mono = intake.set_format(AudioFormat())
    assert len(mono.streams) == 2
    assert isinstance(events([mono], 1)[-1], SpeechEnded)
    assert len(intake.push(pcm16(silence(1))).streams) == 1
    intake.set_format(SPLIT)
    result = intake.push(pcm16(silence(1), silence(1)))
    first = [next(i for i in items if isinstance(i, PcmBlock)) for items in result.streams]
    assert [block.start_sample for block in first] == [32_000, 16_000]


def test_a_wav_header_sets_the_format(intake: AudioIntake) -> None:
    samples = noise(0.2, 0.1, rate_hz=48_000)
    file = wav_bytes(samples.tobytes(), format_tag=FLOAT, bits=32, rate_hz=48_000)
    results = [intake.push(file), intake.flush()]
    assert intake.audio_format == AudioFormat(Encoding.FLOAT32, 48_000)
    assert len(audio(results)) == 3_200
    assert codes(results) == []


def test_a_stereo_file_is_mixed_unless_split_is_configured(intake: AudioIntake) -> None:
    file = wav_bytes(pcm16(tone(300, 0.5), silence(0.5)), channels=2)
    assert len(intake.push(file).streams) == 1
    intake.set_format(SPLIT)
    result = intake.push(file)
    assert intake.audio_format == SPLIT
    assert len(result.streams) == 2
    assert isinstance(events([result], 0)[0], SpeechStarted)
    assert events([result], 1) == []


def test_a_mono_file_under_split_is_one_stream(intake: AudioIntake) -> None:
    intake.set_format(SPLIT)
    results = [intake.push(wav_bytes(pcm16(silence(0.5)))), intake.flush()]
    assert intake.audio_format.channel_mode is ChannelMode.SPLIT
    assert {len(result.streams) for result in results} == {1}


def test_a_recording_sent_as_many_files_is_one_utterance(intake: AudioIntake) -> None:
    data = pcm16(tone(300, 2))
    results = [intake.push(wav_bytes(piece)) for piece in pieces(data, 3_200)]
    assert [type(event) for event in events(results)] == [SpeechStarted]
    assert codes(results) == []


def test_a_file_of_another_format_ends_the_utterance(intake: AudioIntake) -> None:
    results = [intake.push(wav_bytes(pcm16(tone(300, 1))))]
    results.append(intake.push(wav_bytes(pcm16(tone(300, 1, 8_000)), rate_hz=8_000)))
    assert [type(e) for e in events(results)] == [SpeechStarted, SpeechEnded, SpeechStarted]


def test_a_torn_sample_is_told(intake: AudioIntake) -> None:
    intake.push(b"\x01\x02\x03")
    (problem,) = intake.flush().problems
    assert problem.code == "torn_sample"
    assert "1 bytes" in problem.message
    intake.push(b"\x01")
    assert codes([intake.set_format(AudioFormat())]) == ["torn_sample"]
    assert codes([intake.push(wav_bytes(b"\x01\x02\x03"))]) == ["torn_sample"]


def test_non_finite_samples_are_told_once_a_push(intake: AudioIntake) -> None:
    intake.set_format(AudioFormat(Encoding.FLOAT32))
    bad = np.array([np.nan, np.inf, 0.5], "<f4").tobytes()
    expected = "2 samples were not finite and were taken as silence"
    assert intake.push(bad).problems == (AudioProblem("non_finite_samples", expected),)
    assert intake.push(bad[8:]).problems == ()
    assert not audio([intake.flush()])[:2].any()


def test_a_bad_file_is_dropped_until_the_flush(intake: AudioIntake) -> None:
    results = [intake.push(wav_bytes(bytes(3_000), bits=24)), intake.push(bytes(3_000))]
    assert codes(results) == ["bad_wav"]
    assert len(audio([*results, intake.flush()])) == 0
    assert len(audio([intake.push(pcm16(silence(0.1))), intake.flush()])) == 1_600


def test_bytes_after_a_file_are_told(intake: AudioIntake) -> None:
    results = [intake.push(wav_bytes(pcm16(silence(0.1))) + b"more"), intake.flush()]
    assert codes(results) == ["bytes_after_wav"]
    assert len(audio(results)) == 1_600


def test_a_few_bytes_that_begin_like_a_file_are_audio(intake: AudioIntake) -> None:
    assert audio([intake.push(b"RIFF"), intake.flush()]).size == 2


def test_settings_reach_every_stream(intake: AudioIntake, silero: SileroModel) -> None:
    intake.set_format(SPLIT)
    intake.set_config(FrontendConfig(vad=VadKind.ENERGY, energy_threshold=0.9))
    assert events([intake.push(pcm16(tone(300, 1), tone(300, 1)))], 1) == []


def test_calls_may_come_from_any_thread(intake: AudioIntake) -> None:
    intake.set_config(FrontendConfig())
    data = pcm16(noise(0.5, 0.05))
    results: list[IntakeResult] = []
    for piece in pieces(data, 3_000):
        thread = threading.Thread(
            target=lambda part: results.append(intake.push(part)), args=[piece]
        )
        thread.start()
        thread.join()
    assert len(audio([*results, intake.flush()])) == 8_000
