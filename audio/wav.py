"""Finds WAV files in a stream of bytes, however it is cut. Pure.

A stream is raw audio unless it begins with a RIFF/WAVE header; then the header is taken out and
tells the format. What follows a file's audio may be another file.
Source: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF) and
"Multiple Channel Audio Data and WAVE Files" (WAVE_FORMAT_EXTENSIBLE).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from audio.types import AudioError, AudioFormat, Encoding

MAX_FORMAT_BYTES = 4_096
"""Largest fmt chunk that is held in memory (real ones have 16 to 40 bytes); other chunks are
skipped unheld."""

UNKNOWN_SIZES = (0, 0xFFFF_FFFF)
"""What writers that cannot seek leave in a size: "until the end"."""

EXTENSIBLE = 0xFFFE
EXTENSIBLE_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

ENCODINGS = {
    (1, 16): Encoding.PCM16,
    (3, 32): Encoding.FLOAT32,
    (6, 8): Encoding.ALAW,
    (7, 8): Encoding.MULAW,
}
"""By format tag and bits of a sample."""


@dataclass(frozen=True, slots=True)
class WavAudio:
    """Bytes of audio in the format in force."""

    data: bytes


@dataclass(frozen=True, slots=True)
class WavFormat:
    """A header: the audio that follows has this format. Its `channel_mode` means nothing."""

    audio_format: AudioFormat


@dataclass(frozen=True, slots=True)
class WavEnd:
    """A file's audio is complete."""


@dataclass(frozen=True, slots=True)
class WavFault:
    """`bad_wav` or `bytes_after_wav`: everything up to the next `flush` is dropped."""

    code: str
    message: str


WavPart: TypeAlias = WavAudio | WavFormat | WavEnd | WavFault


class _State(Enum):
    PROBE = auto()
    """At a beginning: is this RIFF....WAVE?"""
    CHUNK = auto()
    """At a chunk's name and size."""
    FORMAT = auto()
    SKIP = auto()
    PAD = auto()
    """After a chunk of odd size: a zero byte, which some writers leave out."""
    DATA = auto()
    RAW = auto()
    DROP = auto()


def parse_format(body: bytes) -> AudioFormat:
    """The format that a fmt chunk describes. Raises AudioError `bad_wav`."""
    if len(body) < 16:
        raise AudioError("bad_wav", "the WAV file's fmt chunk is too short")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and body[26:40] == EXTENSIBLE_GUID_TAIL:
        tag = int.from_bytes(body[24:26], "little")
    encoding = ENCODINGS.get((tag, bits))
    if encoding is None:
        raise AudioError(
            "bad_wav",
            f"WAV format {tag} with {bits} bits is not supported:"
            " send PCM of 16 bits, float of 32 bits, A-law or mu-law",
        )
    try:
        return AudioFormat(encoding, rate_hz, channels)
    except AudioError as error:
        raise AudioError("bad_wav", f"WAV file: {error.message}") from error


class WavScanner:
    """Splits a byte stream into audio and headers.

    Holds at most 12 bytes while they may still be the beginning of a header, and a fmt chunk.
    """

    def __init__(self) -> None:
        self._state = _State.PROBE
        self._after_file = False
        """At this beginning a file has just ended."""
        self._held = b""
        self._format: AudioFormat | None = None
        self._data_seen = False
        self._riff_left: int | None = None
        """Bytes left of the file by its RIFF size, if that is known."""
        self._left = 0
        """Bytes left of the chunk."""
        self._odd = False
        self._handlers = {
            _State.PROBE: self._probe,
            _State.CHUNK: self._chunk,
            _State.FORMAT: self._format_chunk,
            _State.SKIP: self._skip,
            _State.PAD: self._pad,
            _State.DATA: self._data,
            _State.RAW: self._raw,
            _State.DROP: self._drop,
        }

    def push(self, data: bytes) -> list[WavPart]:
        """Take the next bytes."""
        parts: list[WavPart] = []
        view = memoryview(data)
        while view:
            view = self._handlers[self._state](view, parts)
        return parts

    def flush(self) -> list[WavPart]:
        """The stream ends here, and what is pushed next is a beginning again."""
        parts: list[WavPart] = []
        in_header = self._state in (_State.CHUNK, _State.FORMAT, _State.SKIP, _State.PAD)
        if self._state is _State.PROBE and self._held:
            self._no_file(parts)
        elif in_header and not self._data_seen:
            parts.append(WavFault("bad_wav", "the WAV file ended before its audio"))
        self._begin(after_file=False)
        return parts

    # -- one state each: consume some of the bytes, return the rest ---------------------------

    def _probe(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        if self._after_file and not self._held:
            data = data[len(data) - len(bytes(data).lstrip(b"\0")) :]  # padding
        data = self._hold(data, 12)
        name, kind = self._held[:4], self._held[8:12]
        if not (b"RIFF".startswith(name) and b"WAVE".startswith(kind)):
            self._no_file(parts)
        elif len(self._held) == 12:
            size = int.from_bytes(self._held[4:8], "little")
            self._held = b""
            self._riff_left = None if size in UNKNOWN_SIZES else size - 4
            self._format = None
            self._data_seen = False
            self._next_chunk()
        return data

    def _no_file(self, parts: list[WavPart]) -> None:
        """What was held is no header."""
        if self._after_file:
            message = "the bytes after the WAV file's audio are no WAV file and were dropped"
            parts.append(WavFault("bytes_after_wav", message))
            self._state = _State.DROP
        else:
            parts.append(WavAudio(self._held))
            self._state = _State.RAW
        self._held = b""

    def _chunk(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        data = self._hold(data, 8)
        if self._held[:4] == b"RIFF":
            self._state = _State.PROBE
            self._after_file = True
            return data
        if len(self._held) < 8:
            return data
        name, size = self._held[:4], int.from_bytes(self._held[4:], "little")
        self._held = b""
        self._spend(8)
        self._odd = bool(size % 2)
        self._left = size
        try:
            self._enter_chunk(name, size, parts)
        except AudioError as error:
            self._fail(error, parts)
        return data

    def _enter_chunk(self, name: bytes, size: int, parts: list[WavPart]) -> None:
        if not all(0x20 <= byte < 0x7F for byte in name):
            code = "bytes_after_wav" if self._data_seen else "bad_wav"
            raise AudioError(code, "the WAV file's chunks are damaged")
        if name == b"data" and not self._data_seen:
            if self._format is None:
                raise AudioError("bad_wav", "the WAV file has no fmt chunk before its audio")
            parts.append(WavFormat(self._format))
            self._data_seen = True
            if size in UNKNOWN_SIZES:
                self._state = _State.RAW
                return
            self._state = _State.DATA
        elif name == b"fmt " and not self._data_seen:
            if size > MAX_FORMAT_BYTES:
                raise AudioError("bad_wav", f"the WAV file's fmt chunk has {size} bytes")
            self._state = _State.FORMAT
        else:
            self._state = _State.SKIP
        if size == 0:
            self._end_chunk()

    def _format_chunk(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        data = self._hold(data, self._left)
        if len(self._held) == self._left:
            self._spend(self._left)
            body, self._held = self._held, b""
            try:
                self._format = parse_format(body)
            except AudioError as error:
                self._fail(error, parts)
            else:
                self._end_chunk()
        return data

    def _skip(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        _, rest = self._pass_on(data)
        if self._left == 0:
            self._end_chunk()
        return rest

    def _pad(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        self._next_chunk()
        if data[0] != 0:
            return data
        self._spend(1)
        return data[1:]

    def _data(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        audio, rest = self._pass_on(data)
        parts.append(WavAudio(bytes(audio)))
        if self._left == 0:
            parts.append(WavEnd())
            self._end_chunk()
        return rest

    def _raw(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        parts.append(WavAudio(bytes(data)))
        return data[:0]

    def _drop(self, data: memoryview, parts: list[WavPart]) -> memoryview:
        return data[:0]

    # -- bookkeeping --------------------------------------------------------------------------

    def _begin(self, *, after_file: bool) -> None:
        self._state = _State.PROBE
        self._after_file = after_file
        self._held = b""
        self._format = None
        self._data_seen = False
        self._riff_left = None

    def _hold(self, data: memoryview, size: int) -> memoryview:
        """Fill `_held` up to `size`; the bytes beyond."""
        missing = size - len(self._held)
        self._held += data[:missing]
        return data[missing:]

    def _pass_on(self, data: memoryview) -> tuple[memoryview, memoryview]:
        """The bytes that belong to this chunk, and the rest."""
        own, rest = data[: self._left], data[self._left :]
        self._left -= len(own)
        self._spend(len(own))
        return own, rest

    def _spend(self, count: int) -> None:
        if self._riff_left is not None:
            self._riff_left -= count

    def _end_chunk(self) -> None:
        if self._odd:
            self._state = _State.PAD
        else:
            self._next_chunk()

    def _next_chunk(self) -> None:
        """After the audio, chunks are expected only as far as the RIFF size says."""
        if self._data_seen and (self._riff_left is None or self._riff_left < 8):
            self._begin(after_file=True)
        else:
            self._state = _State.CHUNK

    def _fail(self, error: AudioError, parts: list[WavPart]) -> None:
        parts.append(WavFault(error.code, error.message))
        self._state = _State.DROP
