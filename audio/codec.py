"""Bytes on the wire to float32 samples."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from audio.types import AudioFormat, Encoding

ChannelSamples: TypeAlias = npt.NDArray[np.float32]
"""Shape (channels, n), float32 in [-1, 1]."""

PCM16_FULL_SCALE = 32_768.0


def _frozen(pcm16: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    table = (pcm16 / PCM16_FULL_SCALE).astype(np.float32)
    table.setflags(write=False)
    return table


def _mulaw_table() -> npt.NDArray[np.float32]:
    """All 256 mu-law codes as 16-bit values (ITU-T G.711, table 2), scaled to [-1, 1]."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent = (code >> 4) & 0x07
    magnitude = ((((code & 0x0F) << 3) + 0x84) << exponent) - 0x84
    return _frozen(np.where(code & 0x80, -magnitude, magnitude))


def _alaw_table() -> npt.NDArray[np.float32]:
    """All 256 A-law codes as 16-bit values (ITU-T G.711, table 1), scaled to [-1, 1]."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code >> 4) & 0x07
    mantissa = (code & 0x0F) << 4
    small = mantissa + 0x08
    large = (mantissa + 0x108) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, small, large)
    return _frozen(np.where(code & 0x80, magnitude, -magnitude))


G711_TABLES = {Encoding.MULAW: _mulaw_table(), Encoding.ALAW: _alaw_table()}
"""256 float32 values each, read-only."""


class SampleDecoder:
    """Decodes one connection's bytes; what is left of a torn frame waits for the next call."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._remainder = b""
        self._non_finite_samples = 0

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self._format.channels * self._format.encoding.sample_bytes

    @property
    def remainder_bytes(self) -> int:
        """Bytes of a torn frame that wait for the rest of it."""
        return len(self._remainder)

    def take_non_finite(self) -> int:
        """NaN and infinite samples since the last call; each was decoded as 0."""
        count, self._non_finite_samples = self._non_finite_samples, 0
        return count

    def reset(self) -> None:
        """Forget the remainder."""
        self._remainder = b""

    def decode(self, data: bytes) -> ChannelSamples:
        """Samples of all whole frames so far, shape (channels, n), float32 in [-1, 1]."""
        if self._remainder:
            data = self._remainder + data
        whole = len(data) - len(data) % self.frame_bytes
        self._remainder = data[whole:]
        samples = self._decode_samples(memoryview(data)[:whole])
        return np.ascontiguousarray(samples.reshape(-1, self._format.channels).T)

    def _decode_samples(self, data: memoryview) -> npt.NDArray[np.float32]:
        match self._format.encoding:
            case Encoding.PCM16:
                pcm = np.frombuffer(data, dtype="<i2").astype(np.float32)
                return pcm * np.float32(1 / PCM16_FULL_SCALE)
            case Encoding.FLOAT32:
                return self._clean(np.frombuffer(data, dtype="<f4").astype(np.float32))
            case Encoding.MULAW | Encoding.ALAW as encoding:
                return G711_TABLES[encoding][np.frombuffer(data, dtype=np.uint8)]

    def _clean(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Samples, in place, without NaN and infinities and within [-1, 1]."""
        finite = np.isfinite(samples)
        if not finite.all():
            self._non_finite_samples += int(samples.size - np.count_nonzero(finite))
            samples[~finite] = 0.0
        np.clip(samples, -1.0, 1.0, out=samples)
        return samples
