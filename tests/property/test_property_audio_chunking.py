"""The same bytes give the same blocks and events, however they are cut into messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.intake import AudioIntake, IntakeResult
from audio.types import (
    AudioFormat,
    ChannelMode,
    FrontendConfig,
    NoiseReduction,
    PcmBlock,
    Samples,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
)
from audio.vad import SileroModel
from tests.support.audio_signals import (
    noise,
    pcm16,
    pieces,
    random_pieces,
    read_wav,
    silence,
    synthetic_speech,
    to_rate,
    wav_bytes,
)


@dataclass(frozen=True)
class Sent:
    """How one recording goes over the wire."""

    rate_hz: int
    layout: str
    wav: bool
    noise_reduction: NoiseReduction

    @property
    def channels(self) -> int:
        return 1 if self.layout == "mono" else 2

    @property
    def audio_format(self) -> AudioFormat:
        split = self.layout == "split"
        mode = ChannelMode.SPLIT if split else ChannelMode.MIX
        return AudioFormat(sample_rate_hz=self.rate_hz, channels=self.channels, channel_mode=mode)

    def encode(self, samples: Samples, other: Samples) -> bytes:
        audio = [to_rate(entry, self.rate_hz) for entry in (samples, other)]
        data = pcm16(*audio[: self.channels])
        if self.wav:
            data = wav_bytes(data, channels=self.channels, rate_hz=self.rate_hz)
        return data

    def second_bytes(self) -> int:
        return 2 * self.channels * self.rate_hz


sendings = st.builds(
    Sent,
    rate_hz=st.sampled_from([8_000, 16_000, 44_100, 48_000]),
    layout=st.sampled_from(["mono", "mix", "split"]),
    wav=st.booleans(),
    noise_reduction=st.sampled_from(NoiseReduction),
)
cuts = st.one_of(st.sampled_from(["1 byte", "7 bytes", "20 ms", "10 s"]), st.integers(0, 9_999))


def cut(data: bytes, how: str | int, second_bytes: int) -> Iterator[bytes]:
    """Very short pieces, slow as they are, come in the header and where speech begins."""
    if isinstance(how, int):
        yield from random_pieces(data, how)
    elif how in ("1 byte", "7 bytes"):
        size, count = (1, 10_000) if how == "1 byte" else (7, 70_000)
        middle = 2 * second_bytes
        yield from pieces(data[:100], size)
        yield data[100:middle]
        yield from pieces(data[middle : middle + count], size)
        yield data[middle + count :]
    else:
        yield from pieces(data, second_bytes // 50 if how == "20 ms" else 10 * second_bytes)


Outcome = list[tuple[list[SpeechEvent], list[int], bytes]]


def outcome(results: Iterable[IntakeResult]) -> Outcome:
    """Per stream: events, block positions, samples."""
    listed = list(results)
    found: Outcome = []
    for index in range(max(len(result.streams) for result in listed)):
        items = [item for r in listed for entry in r.streams[index : index + 1] for item in entry]
        blocks = [item for item in items if isinstance(item, PcmBlock)]
        events = [item for item in items if not isinstance(item, PcmBlock)]
        audio = b"".join(block.samples.tobytes() for block in blocks)
        found.append((events, [block.start_sample for block in blocks], audio))
    assert all(not result.problems for result in listed)
    return found


def recognised(sent: Sent, chunks: Iterable[bytes], model: SileroModel) -> Outcome:
    intake = AudioIntake(FrontendConfig(noise_reduction=sent.noise_reduction), model)
    first = intake.set_format(sent.audio_format)
    return outcome([first, *(intake.push(chunk) for chunk in chunks), intake.flush()])


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def check(sent: Sent, how: str | int, speech: Samples, other: Samples, model: SileroModel) -> None:
    quiet = silence(2)
    samples = np.concatenate((quiet, speech, silence(0.6)))
    hiss = noise(len(samples) / 16_000 + 1, 0.015)[: len(samples)]
    second = np.resize(np.concatenate((other, quiet)), len(samples))
    data = sent.encode(samples + hiss, second)
    whole = recognised(sent, [data], model)
    assert recognised(sent, cut(data, how, sent.second_bytes()), model) == whole
    assert len(whole) == (2 if sent.layout == "split" else 1)
    kinds = [type(event) for event in whole[0][0]]
    assert SpeechStarted in kinds
    assert SpeechEnded in kinds


@settings(max_examples=12, deadline=None)
@given(sent=sendings, how=cuts)
def test_real_speech(sent: Sent, how: str | int, thai_eval_dir: Path, model: SileroModel) -> None:
    speech = read_wav(thai_eval_dir / "dev" / "gc_ballcatch.wav")
    other = read_wav(thai_eval_dir / "dev" / "gc_chronos.wav")
    check(sent, how, speech, other, model)


@settings(max_examples=12, deadline=None)
@given(sent=sendings, how=cuts)
def test_synthetic_speech(sent: Sent, how: str | int, model: SileroModel) -> None:
    check(sent, how, synthetic_speech(3), synthetic_speech(2, seed=1), model)
