"""Audio for tests: tones, noise, synthetic speech, WAV files, ways to cut bytes."""

from __future__ import annotations

import random
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from audio.types import SAMPLE_RATE_HZ, Samples

PCM = 1
FLOAT = 3
ALAW = 6
MULAW = 7
EXTENSIBLE = 0xFFFE


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
    """Syllables of voiced formants at 16 kHz, four a second, which Silero takes for speech."""
    generator = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE_HZ)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    pitch_hz = 130 + 15 * np.sin(2 * np.pi * 0.7 * time_s + generator.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    formants_hz = generator.uniform((300, 900, 2200), (800, 1800, 3000))
    voice = np.zeros(count)
    for harmonic in range(1, 30):
        hz = 130 * harmonic
        gain = sum(np.exp(-(((hz - f) / 150) ** 2)) for f in formants_hz) + 0.05
        voice += gain * np.sin(harmonic * phase) / np.sqrt(harmonic)
    syllables = np.clip(1.2 * np.sin(2 * np.pi * 2 * time_s) ** 2, 0.05, 1)
    voice *= syllables
    return (level * voice / np.abs(voice).max()).astype(np.float32)


def read_wav(path: Path) -> Samples:
    """A mono 16 kHz PCM16 file."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, SAMPLE_RATE_HZ)
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


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
    return 10 * np.log10(power + 1e-20)
