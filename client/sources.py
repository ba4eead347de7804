"""Where audio comes from: what a source is, and files of any format that FFmpeg reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from client.kept_audio import AudioFormat

SAMPLE_RATE_HZ = 16_000
BLOCK_SAMPLES = 1024
"""64 ms at 16 kHz."""
SAMPLE_BYTES = 2


class SourceError(Exception):
    """There is no audio to be had. The message is for the user and says what to do."""


class FileError(SourceError):
    """A file that cannot be read as audio."""


class Source(Protocol):
    """Audio in blocks of whole frames, as it comes."""

    @property
    def name(self) -> str:
        """What the user knows it by."""
        ...

    @property
    def audio_format(self) -> AudioFormat:
        """The format of `blocks`: PCM16 mono, unless `header` says otherwise."""
        ...

    @property
    def header(self) -> bytes:
        """What goes before the audio of each stream; mostly nothing."""
        ...

    @property
    def read_ahead_s(self) -> float | None:
        """How much may wait to be sent. None for what cannot wait: it is read in any case."""
        ...

    @property
    def total_s(self) -> float | None:
        """How much there is, where that is known."""
        ...

    def blocks(self) -> AsyncGenerator[bytes, None]:
        """The audio. Raises SourceError."""
        ...


class FileSource:
    """An audio or video file: decoded, mixed to mono, at 16 kHz, in blocks of 64 ms."""

    audio_format = AudioFormat(SAMPLE_RATE_HZ)
    header = b""
    read_ahead_s: float | None = 2.0

    def __init__(
        self,
        path: Path,
        *,
        paced: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`paced` gives blocks when a microphone would; otherwise as fast as they are taken.

        Raises FileError if the file cannot be opened as audio.
        """
        self.name = path.name
        self._path = path
        self._paced = paced
        self._clock = clock
        self._sleep = sleep
        with open_audio(path) as container:
            duration_us = container.duration
        self.total_s: float | None = None if duration_us is None else duration_us / 1_000_000

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The file's audio. Raises FileError."""
        decoded = decode(self._path)
        started_s = self._clock()
        sent_samples = 0
        while block := await asyncio.to_thread(next, decoded, b""):
            sent_samples += len(block) // SAMPLE_BYTES
            if self._paced:
                due_s = started_s + sent_samples / SAMPLE_RATE_HZ
                await self._sleep(max(0.0, due_s - self._clock()))
            yield block
        if sent_samples == 0:
            raise FileError(f"{self._path}: there is no audio in it")


def read_file(path: str | Path) -> AsyncGenerator[bytes, None]:
    """The audio of any audio or video file as PCM16 mono at 16 kHz, in blocks of 64 ms.

    As fast as they are taken. Raises FileError.
    """
    return FileSource(Path(path), paced=False).blocks()


def open_audio(path: Path) -> Any:
    """The opened PyAV container of a file with an audio stream. Raises FileError."""
    av = _av()
    try:
        container = av.open(str(path))
    except (OSError, ValueError, av.FFmpegError) as error:
        raise FileError(f"cannot read {path}: {_reason(error)}") from error
    if not container.streams.audio:
        container.close()
        raise FileError(f"cannot read {path}: there is no audio in it")
    return container


def decode(path: Path) -> Iterator[bytes]:
    """A file's audio as PCM16 mono at 16 kHz, in blocks of 64 ms and a rest. Raises FileError."""
    block_bytes = BLOCK_SAMPLES * SAMPLE_BYTES
    pending = bytearray()
    for piece in _resampled(path):
        pending += piece
        while len(pending) >= block_bytes:
            yield bytes(pending[:block_bytes])
            del pending[:block_bytes]
    if pending:
        yield bytes(pending)


def _resampled(path: Path) -> Iterator[bytes]:
    av = _av()
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    with open_audio(path) as container:
        try:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield part.to_ndarray().tobytes()
            for part in resampler.resample(None):
                yield part.to_ndarray().tobytes()
        except (OSError, ValueError, av.FFmpegError) as error:
            raise FileError(f"cannot decode {path}: {_reason(error)}") from error


def _av() -> Any:
    try:
        import av  # noqa: PLC0415 - the microphone works without it
    except ImportError as error:
        raise FileError(
            f"reading files needs PyAV ({error}): pip install -r requirements_realtime.txt"
        ) from error
    return av


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
