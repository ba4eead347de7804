"""Rows of the settings table: audio, where speech is in it, its text."""

from __future__ import annotations

from dataclasses import dataclass

from asr.glossary import LONGEST as LONGEST_GLOSSARY
from audio.types import NoiseReduction, VadKind
from server.setting_rows import row

LONGEST_MIN_SPEECH_MS = 5_000
"""How long speech may go unrecognised until there is enough of it; a recogniser keeps that much."""


@dataclass(frozen=True, kw_only=True)
class SpeechSettings:
    """Audio as sent, where speech is in it, its text."""

    # audio as sent, before any audio_config
    sample_rate: int = row(
        16_000, "samples a second before any audio_config", low=8_000, high=96_000
    )
    channels: int = row(1, "channels before any audio_config", low=1, high=2)
    audio_format: str = row(
        "pcm16", "encoding before any audio_config", choices=("pcm16", "float32", "mulaw", "alaw")
    )
    chunk_size: int = row(
        1024,
        "samples in a client's chunk, and the unit of "
        "silence_threshold and min_speech_chunks; 512 for less delay",
        low=64,
        high=16_384,
    )
    # finding speech
    vad: str = row(
        "silero", "voice detector", session=True, choices=tuple(v.value for v in VadKind)
    )
    speech_threshold: float = row(
        0.5, "silero: probability from which it is speech", session=True, low=0.05, high=0.95
    )
    vad_threshold: float = row(
        0.02, "energy: RMS from which it is speech", session=True, low=0.0001, high=1.0
    )
    silence_threshold: int = row(
        30, "energy: chunks of silence that end an utterance", session=True, low=1, high=500
    )
    min_speech_chunks: int = row(
        20,
        "energy: chunks of speech that make an utterance (5 s at most)",
        session=True,
        low=1,
        high=500,
    )
    min_speech_ms: int = row(
        200,
        "silero: speech that makes an utterance",
        session=True,
        low=32,
        high=LONGEST_MIN_SPEECH_MS,
    )
    end_silence_ms: int = row(
        500, "silero: silence that ends an utterance", session=True, low=200, high=5_000
    )
    pre_roll_ms: int = row(
        300,
        "audio before the first sound that belongs to an utterance",
        session=True,
        low=0,
        high=2_000,
    )
    soft_end_ms: int = row(
        12_000,
        "from this length a short pause ends an utterance",
        session=True,
        low=3_000,
        high=25_000,
    )
    hard_end_ms: int = row(
        15_000, "at this length an utterance is split", session=True, low=4_000, high=28_000
    )
    overlap_ms: int = row(
        200, "audio heard again after a split; text said twice is removed", low=0, high=1_000
    )
    noise_reduction: str = row(
        "vad",
        "where denoised audio goes: nowhere, to the detector, or to the recogniser too",
        session=True,
        choices=tuple(n.value for n in NoiseReduction),
    )
    # text
    glossary: str = row(
        "",
        "names and English words that are likely to come, with spaces between; for models that "
        "take a prompt (docs/models.md)",
        session=True,
        longest=LONGEST_GLOSSARY,
    )
    # partials
    first_partial_ms: int = row(
        250, "speech before the first partial, from its detection", low=100, high=5_000
    )
    partial_interval_ms: int = row(1_000, "speech between partials", low=200, high=10_000)
