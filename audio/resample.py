"""Any source rate to 16 kHz, anti-aliased, across chunk borders."""

from __future__ import annotations

import numpy as np
import soxr

from audio.types import SAMPLE_RATE_HZ, Samples

BLOCKS_PER_SECOND = 100
QUALITY = "HQ"


class StreamResampler:
    """Converts one mono stream from `source_hz` to `SAMPLE_RATE_HZ` with libsoxr.

    The same audio gives the same samples, bit for bit, however it was cut into pushes: libsoxr
    is only ever fed blocks of 10 ms. Its filter delay is compensated; it holds back up to 40 ms
    at 48 kHz and 120 ms at 8 kHz until more audio or `flush` comes.
    """

    def __init__(self, source_hz: int) -> None:
        self._source_hz = source_hz
        self._block_samples = source_hz // BLOCKS_PER_SECOND
        self._pending = np.empty(0, np.float32)
        self._taken_samples = 0
        self._given_samples = 0
        self._soxr: soxr.ResampleStream | None = None
        if source_hz != SAMPLE_RATE_HZ:
            self._soxr = soxr.ResampleStream(
                source_hz, SAMPLE_RATE_HZ, num_channels=1, dtype="float32", quality=QUALITY
            )

    @property
    def source_hz(self) -> int:
        """The rate of what is pushed."""
        return self._source_hz

    def push(self, samples: Samples) -> Samples:
        """What is ready at 16 kHz after these samples of the source rate."""
        if self._soxr is None:
            return samples
        pending = np.concatenate((self._pending, samples))
        whole = len(pending) - len(pending) % self._block_samples
        self._pending = pending[whole:].copy()
        blocks = pending[:whole].reshape(-1, self._block_samples)
        return self._given([self._soxr.resample_chunk(block) for block in blocks], whole)

    def flush(self) -> Samples:
        """The rest of the audio so far. What is pushed next continues the stream's clock.

        The stream's length up to here is then exactly the rounded length of its source.
        """
        if self._soxr is None:
            return np.empty(0, np.float32)
        tail = self._soxr.resample_chunk(self._pending, last=True)
        self._taken_samples += len(self._pending)
        self._pending = np.empty(0, np.float32)
        self._soxr.clear()
        # libsoxr rounds each stretch between flushes; here the whole stream is rounded, so that
        # its clock does not drift.
        owed = round(self._taken_samples * SAMPLE_RATE_HZ / self._source_hz) - self._given_samples
        self._given_samples += owed
        return np.pad(tail[:owed], (0, max(0, owed - len(tail))))

    def _given(self, pieces: list[Samples], taken: int) -> Samples:
        self._taken_samples += taken
        out = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        self._given_samples += len(out)
        return out
