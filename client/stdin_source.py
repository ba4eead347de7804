"""Standard input as a source: raw PCM16 mono at 16 kHz, or a WAV stream of any kind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from client.kept_audio import KEPT_LIMIT_S, AudioFormat
from client.sources import BLOCK_SAMPLES, SAMPLE_RATE_HZ, FileError

STDIN = 0
WAV_START = b"RIFF"
WAV_HEADER_LIMIT = 65_536
UNKNOWN_SIZES = (0, 0xFFFFFFFF)
"""What a program writes that cannot know how much will follow."""
READ_BYTES = 65_536
QUEUE_PIECES = 4


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Everything before the samples, the format, and how many bytes of samples there are."""

    raw: bytes
    audio_format: AudioFormat
    data_bytes: int | None


class StdinSource:
    """Standard input. A WAV header is sent on, before each stream: the server goes by it."""

    name = "standard input"
    read_ahead_s: float | None = KEPT_LIMIT_S
    total_s: float | None = None

    def __init__(self, read: Callable[[int], bytes] | None = None) -> None:
        """`read` blocks until there is something, and gives b"" at the end.

        Waits for the first bytes. Raises FileError if there are none, or a header is broken.
        """
        self._read = read or (lambda size: os.read(STDIN, size))
        self.audio_format = AudioFormat(SAMPLE_RATE_HZ)
        self.header = b""
        self._rest_bytes: int | None = None
        self._first = self._exactly(len(WAV_START))
        if not self._first:
            raise FileError("standard input: there is no audio in it")
        if self._first == WAV_START:
            header = self._wav_header()
            self.header, self.audio_format = header.raw, header.audio_format
            self._rest_bytes = header.data_bytes
            self._first = b""

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The audio, in whole frames of about 64 ms each. Raises FileError."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        room = threading.Semaphore(QUEUE_PIECES)  # bounds the queue: the reading waits
        reader = _Reader(
            self._read, room, lambda piece: loop.call_soon_threadsafe(pieces.put_nowait, piece)
        )
        # a daemon: a read from a pipe cannot be interrupted, and must not hold up the exit
        threading.Thread(target=reader.run, name="read standard input", daemon=True).start()
        pending, frame = bytearray(self._first), self.audio_format.frame_bytes
        block = max(1, BLOCK_SAMPLES * self.audio_format.sample_rate_hz // SAMPLE_RATE_HZ) * frame
        try:
            while piece := await pieces.get():
                room.release()
                if isinstance(piece, OSError):
                    raise FileError(f"cannot read standard input: {piece}") from piece
                pending += self._within_data(piece)
                for ready in _taken(pending, block, frame):
                    yield ready
                if self._rest_bytes == 0:
                    break  # what follows the samples of a WAV is not audio
            for ready in _taken(pending, block, frame):
                yield ready
            if pending:
                raise FileError(f"{self.name} ended within a sample; the rest was sent")
        finally:
            reader.stopped = True
            room.release()

    def _within_data(self, piece: bytes) -> bytes:
        if self._rest_bytes is None:
            return piece
        audio = piece[: self._rest_bytes]
        self._rest_bytes -= len(audio)
        return audio

    def _exactly(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        found = bytearray()
        while len(found) < size and (piece := self._read(size - len(found))):
            found += piece
        return bytes(found)

    def _wav_header(self) -> WavHeader:
        raw = self._first + self._exactly(8)
        audio_format: AudioFormat | None = None
        while len(raw) < WAV_HEADER_LIMIT:
            chunk = self._exactly(8)
            size = int.from_bytes(chunk[4:], "little")
            raw += chunk
            if chunk[:4] == b"data" and audio_format is not None:
                return WavHeader(raw, audio_format, None if size in UNKNOWN_SIZES else size)
            if len(chunk) < 8 or size > WAV_HEADER_LIMIT:
                break
            body = self._exactly(size + size % 2)
            raw += body
            if chunk[:4] == b"fmt " and len(body) >= 16:
                rate_hz = int.from_bytes(body[4:8], "little")
                frame_bytes = int.from_bytes(body[12:14], "little")
                if rate_hz and frame_bytes:
                    audio_format = AudioFormat(rate_hz, frame_bytes)
        raise FileError("standard input begins like a WAV file, but its header is broken")


class _Reader:
    """Reads in a thread until the end, or until nobody takes pieces any more."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        room: threading.Semaphore,
        put: Callable[[bytes | OSError], object],
    ) -> None:
        self.stopped = False
        self._read = read
        self._room = room
        self._put = put

    def run(self) -> None:
        piece: bytes | OSError = b"?"
        while piece and not isinstance(piece, OSError):
            self._room.acquire()
            try:
                piece = self._read(READ_BYTES)
            except OSError as error:
                piece = error
            if self.stopped:
                return
            try:
                self._put(piece)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return


def _taken(pending: bytearray, block: int, frame: int) -> list[bytes]:
    """Take all whole frames, in blocks."""
    whole = len(pending) - len(pending) % frame
    taken = [bytes(pending[at : min(at + block, whole)]) for at in range(0, whole, block)]
    del pending[:whole]
    return taken
