from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.types import Samples
from client.sources import BLOCK_SAMPLES, FileError, FileSource, decode
from tests.support.audio_signals import pcm16, rms_db, silence, to_rate, tone, wav_bytes


def write_wav(path: Path, *channels: Samples, rate_hz: int = 16_000) -> Path:
    path.write_bytes(wav_bytes(pcm16(*channels), channels=len(channels), rate_hz=rate_hz))
    return path


def as_samples(data: bytes) -> Samples:
    samples: Samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
    return samples


async def all_blocks(source: FileSource) -> list[bytes]:
    return [block async for block in source.blocks()]


@pytest.mark.asyncio
async def test_a_16_khz_file_comes_sample_for_sample_in_blocks_of_64_ms(tmp_path: Path) -> None:
    speech = tone(440, 1.0)
    source = FileSource(write_wav(tmp_path / "a.wav", speech), paced=False)
    blocks = await all_blocks(source)
    assert b"".join(blocks) == pcm16(speech)
    assert {len(block) for block in blocks[:-1]} == {2 * BLOCK_SAMPLES}
    assert 0 < len(blocks[-1]) <= 2 * BLOCK_SAMPLES


@pytest.mark.asyncio
async def test_another_rate_and_stereo_become_16_khz_mono(tmp_path: Path) -> None:
    left, right = to_rate(tone(440, 1.0), 48_000), silence(1.0, 48_000)
    path = write_wav(tmp_path / "ไฟล์ เสียง.wav", left, right, rate_hz=48_000)
    mono = as_samples(b"".join(await all_blocks(FileSource(path, paced=False))))
    assert len(mono) == pytest.approx(16_000, abs=20)
    expected = tone(440, 1.0, level=0.25)[1000:15000]
    assert rms_db(mono[1000:15000]) == pytest.approx(rms_db(expected), abs=0.5)


class Pacer:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.woken_s: list[float] = []

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds
        self.woken_s.append(self.now_s - 100.0)


@pytest.mark.asyncio
async def test_a_paced_file_comes_when_a_microphone_would_give_it(tmp_path: Path) -> None:
    pacer = Pacer()
    path = write_wav(tmp_path / "a.wav", tone(440, 0.2))
    source = FileSource(path, paced=True, clock=pacer.clock, sleep=pacer.sleep)
    assert len(await all_blocks(source)) == 4
    assert pacer.woken_s == pytest.approx([0.064, 0.128, 0.192, 0.2])


@pytest.mark.asyncio
async def test_a_paced_file_that_fell_behind_catches_up(tmp_path: Path) -> None:
    pacer = Pacer()
    path = write_wav(tmp_path / "a.wav", tone(440, 0.2))
    source = FileSource(path, paced=True, clock=pacer.clock, sleep=pacer.sleep)
    async for _ in source.blocks():
        if len(pacer.woken_s) == 1:
            pacer.now_s += 0.1  # the network took its time
    assert pacer.woken_s == pytest.approx([0.064, 0.164, 0.192, 0.2])


def test_what_is_no_audio_is_refused_at_once(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("ไม่ใช่เสียง " * 50, encoding="utf-8")
    for path in (text, tmp_path / "missing.wav", tmp_path):
        with pytest.raises(FileError, match="cannot read"):
            FileSource(path, paced=False)


def test_a_picture_is_refused_as_having_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    header = b"BM" + (58).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    info = b"".join(n.to_bytes(4, "little") for n in (40, 1, 1)) + b"\1\0\x18\0" + bytes(24)
    path.write_bytes(header + info + bytes(4))
    with pytest.raises(FileError, match="there is no audio in it"):
        FileSource(path, paced=False)


@pytest.mark.asyncio
async def test_a_file_without_a_single_sample_is_an_error(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "empty.wav", silence(0.0))
    source = FileSource(path, paced=False)
    with pytest.raises(FileError, match="no audio"):
        await all_blocks(source)


def test_a_file_that_is_cut_short_gives_what_it_has(tmp_path: Path) -> None:
    whole = wav_bytes(pcm16(tone(440, 1.0)))
    path = tmp_path / "cut.wav"
    path.write_bytes(whole[: len(whole) // 2])
    assert 15_000 < sum(len(block) for block in decode(path)) < 17_000
