"""Audio for tests: tones, noise, synthetic speech, WAV files, ways to cut bytes."""

from __future__ import annotations

import math
import random
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from scipy.signal import lfilter

from audio.types import SAMPLE_RATE_HZ, Samples

PCM = 1
FLOAT = 3
ALAW = 6
MULAW = 7
EXTENSIBLE = 0xFFFE

VOWELS_HZ = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
)


def tone(hz: float, seconds: float, rate_hz: int = SAMPLE_RATE_HZ, level: float = 0.5) -> Samples:
    """A sine."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def sweep(low_hz: float, high_hz: float, seconds: float, rate_hz: int) -> Samples:
    """A linear sine sweep at half scale."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (low_hz * time_s + (high_hz - low_hz) / (2 * seconds) * time_s**2)
    return (0.5 * np.sin(phase)).astype(np.float32)


def noise(seconds: float, rms: float, seed: int = 0, rate_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """White Gaussian noise."""
    generator = np.random.default_rng(seed)
    return (rms * generator.standard_normal(round(seconds * rate_hz))).astype(np.float32)


def silence(seconds: float, rate_hz: int = SAMPLE_RATE_HZ) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * rate_hz), np.float32)


def synthetic_speech(seconds: float, seed: int = 0, level: float = 0.3) -> Samples:
    """Syllables at 16 kHz, six or seven a second, without a pause; Silero takes them for speech.

    A glottal pulse train through three formant resonators, with a noisy onset per syllable.
    """
    generator = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE_HZ)
    syllables: list[npt.NDArray[np.float64]] = []
    while sum(map(len, syllables)) < count:
        syllables.append(_syllable(generator))
    voice = np.concatenate(syllables)[:count]
    scaled: Samples = (level * voice / np.abs(voice).max()).astype(np.float32)
    return scaled


def _syllable(generator: np.random.Generator) -> npt.NDArray[np.float64]:
    count = int(0.15 * SAMPLE_RATE_HZ * generator.uniform(0.8, 1.2))
    part = np.arange(count) / count
    pitch_hz = (120 + generator.uniform(-20, 30)) * (1.1 - 0.25 * part)
    cycles = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    pulses = np.diff(np.floor(cycles), prepend=0.0) + 0.01 * generator.standard_normal(count)
    voice = np.diff(lfilter([1], [1, -0.98], pulses), prepend=0.0)
    for formant_hz, width_hz in zip(
        VOWELS_HZ[generator.integers(len(VOWELS_HZ))], (80, 100, 140), strict=True
    ):
        radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
        pole = 2 * radius * np.cos(2 * np.pi * formant_hz / SAMPLE_RATE_HZ)
        voice = lfilter([1 - pole + radius**2], [1, -pole, radius**2], voice)
    voice *= np.minimum(1, np.minimum(part * 8, (1 - part) * 6))
    onset = 0.02 * generator.standard_normal(count) * (part < 0.2)
    spoken: npt.NDArray[np.float64] = 0.9 * voice / np.abs(voice).max() + onset
    return spoken


def read_wav(path: Path) -> Samples:
    """A mono 16 kHz PCM16 file."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, SAMPLE_RATE_HZ)
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def to_rate(samples: Samples, rate_hz: int) -> Samples:
    """16 kHz audio at another rate."""
    out: Samples = soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz)
    return out


def pcm16(*channels: Samples) -> bytes:
    """Interleaved PCM16 of channels of equal length."""
    frames = np.stack(channels, axis=1)
    return np.round(np.clip(frames, -1, 1) * 32767).astype("<i2").tobytes()


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length."""
    head = name + struct.pack("<I", len(body) if size is None else size)
    return head + body + b"\0" * (len(body) % 2)


def fmt_chunk(format_tag: int, channels: int, rate_hz: int, bits: int) -> bytes:
    """A WAV fmt chunk; EXTENSIBLE wraps PCM."""
    width = channels * bits // 8
    body = struct.pack("<HHIIHH", format_tag, channels, rate_hz, rate_hz * width, width, bits)
    if format_tag == EXTENSIBLE:
        guid_tail = bytes.fromhex("000000001000800000aa00389b71")
        body += struct.pack("<HHIH", 22, bits, 0, PCM) + guid_tail
    return chunk(b"fmt ", body)


def wav_bytes(
    data: bytes,
    *,
    format_tag: int = PCM,
    channels: int = 1,
    rate_hz: int = SAMPLE_RATE_HZ,
    bits: int = 16,
    data_size: int | None = None,
    before_data: bytes = b"",
    after_data: bytes = b"",
) -> bytes:
    """A WAV file around the bytes of its data chunk."""
    body = b"WAVE" + fmt_chunk(format_tag, channels, rate_hz, bits) + before_data
    body += chunk(b"data", data, data_size) + after_data
    return chunk(b"RIFF", body, None if data_size is None else data_size)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes cut into pieces of one size."""
    return (data[i : i + size] for i in range(0, len(data), size))


def random_pieces(data: bytes, seed: int, largest: int = 20_000) -> Iterator[bytes]:
    """The bytes cut into pieces of 0 to `largest` bytes, short ones more often."""
    generator = random.Random(seed)
    at = 0
    while at < len(data):
        size = round(generator.random() ** 4 * largest)
        yield data[at : at + size]
        at += size


def rms_db(samples: npt.NDArray[np.floating]) -> float:
    """RMS in dB of full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * math.log10(power + 1e-20)
