from __future__ import annotations

import asyncio
import threading

import pytest

from client.kept_audio import AudioFormat
from client.sources import FileError
from client.stdin_source import QUEUE_PIECES, StdinSource
from tests.support.audio_signals import pcm16, tone, wav_bytes

SPEECH = pcm16(tone(440, 0.5))


class Pipe:
    """Gives its bytes in pieces of any size, then the end."""

    def __init__(self, data: bytes, piece: int = 1_000) -> None:
        self.data = data
        self.piece = piece

    def read(self, size: int) -> bytes:
        size = min(size, self.piece)
        given, self.data = self.data[:size], self.data[size:]
        return given


async def all_of(source: StdinSource) -> list[bytes]:
    return [block async for block in source.blocks()]


@pytest.mark.parametrize("piece", [1, 3, 1_000, 100_000])
async def test_raw_audio_comes_whole_in_whole_samples(piece: int) -> None:
    source = StdinSource(Pipe(SPEECH, piece).read)
    blocks = await all_of(source)
    assert b"".join(blocks) == SPEECH
    assert all(len(block) % 2 == 0 and len(block) <= 2_048 for block in blocks)
    assert (source.header, source.audio_format) == (b"", AudioFormat(16_000))


@pytest.mark.parametrize("piece", [1, 1_000])
async def test_a_wav_header_is_kept_apart_and_says_the_format(piece: int) -> None:
    wav = wav_bytes(SPEECH, channels=2, rate_hz=8_000)
    source = StdinSource(Pipe(wav + b"LIST\4\0\0\0abcd", piece).read)
    assert source.audio_format == AudioFormat(8_000, frame_bytes=4)
    assert source.header + b"".join(await all_of(source)) == wav


async def test_a_wav_stream_of_unknown_length_lasts_until_the_end() -> None:
    wav = wav_bytes(SPEECH)
    at = wav.index(b"data") + 4
    endless = wav[:at] + b"\xff\xff\xff\xff" + wav[at + 4 :]
    source = StdinSource(Pipe(endless + SPEECH).read)
    assert b"".join(await all_of(source)) == SPEECH + SPEECH


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"RIFF\0\0\0\0WAVEdata\0\0\0\0"]
)
def test_nothing_and_broken_headers_are_refused_at_once(data: bytes) -> None:
    with pytest.raises(FileError):
        StdinSource(Pipe(data).read)


async def test_half_a_sample_at_the_end_is_told() -> None:
    source = StdinSource(Pipe(SPEECH + b"\1").read)
    blocks: list[bytes] = []

    async def listen() -> None:
        async for block in source.blocks():
            blocks.append(block)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(FileError, match="within a sample"):
        await listen()
    assert b"".join(blocks) == SPEECH


async def test_a_read_that_fails_is_told() -> None:
    def read(size: int) -> bytes:
        if size > 4:
            raise OSError("Bad file descriptor")
        return b"\0\0\0\0"

    with pytest.raises(FileError, match="Bad file descriptor"):
        await all_of(StdinSource(read))


async def test_reading_waits_for_whoever_takes_the_audio() -> None:
    reads = 0
    taken = threading.Event()

    def read(size: int) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 7:
            taken.set()
        return bytes(2_048) if size > 4 else bytes(4)

    blocks = StdinSource(read).blocks()
    for count in range(1, 6):
        await anext(blocks)
        assert reads <= 1 + QUEUE_PIECES + count  # one read was for the header
    assert await asyncio.to_thread(taken.wait, 10.0)  # and it goes on as there is room
    await blocks.aclose()


@pytest.mark.parametrize("samples", [1, 2, 3])
async def test_a_few_samples_are_audio_too(samples: int) -> None:
    assert (
        b"".join(await all_of(StdinSource(Pipe(SPEECH[: 2 * samples]).read)))
        == (SPEECH[: 2 * samples])
    )
