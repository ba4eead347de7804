"""For debugging, and off unless asked for: what recognisers hear, as WAV files in one folder.

Never text, no names: a file is called after its time and its stream. Callers only queue; one thread
writes. Bounds: `MAX_WAITING` pieces, beyond which audio is left out and counted (the log must not
slow anybody down); `MAX_OPEN` files open; bytes and age of all files, the oldest go first.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from audio.intake import AudioIntake, IntakeResult
from audio.types import SAMPLE_RATE_HZ, AudioFormat, FrontendConfig, PcmBlock, Samples
from audio.vad import SileroModel
from server.audio_log_rules import StoredAudio, to_delete
from server.setting_rows import SettingError

logger = logging.getLogger(__name__)

PREFIX: Final = "heard_"
MAX_WAITING: Final = 512
MAX_OPEN: Final = 64
SEGMENT_SHARE: Final = 8
"""A file has at most this part of all that may be kept, and `SEGMENT_S`."""
SEGMENT_S: Final = 600
IDLE_S: Final = 30.0
"""A file that gets nothing for so long is closed."""
LOOK_EVERY_S: Final = 5.0
CLOSE_S: Final = 2.0
BYTES_PER_SAMPLE: Final = 2


@dataclass(slots=True)
class _Open:
    raw: BinaryIO
    file: wave.Wave_write
    name: str
    size_bytes: int
    used_s: float


class AudioLog:
    """`write` may be called in any thread. Raises SettingError if the folder cannot be used."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        max_age_s: float,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._wall_clock = wall_clock
        self._segment_bytes = min(
            max_bytes // SEGMENT_SHARE, SEGMENT_S * SAMPLE_RATE_HZ * BYTES_PER_SAMPLE
        )
        self._waiting: queue.Queue[tuple[str, Samples] | None] = queue.Queue(MAX_WAITING)
        self._open: dict[str, _Open] = {}
        self._stored_bytes = 0
        self.left_out_s = 0.0
        """Seconds of audio that were not written."""
        self.problem = ""
        """Why nothing is written any more; empty while all is well."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            self._sweep()
        except OSError as error:
            raise SettingError("audio_log_dir", f"{folder} cannot be used: {error}") from error
        self._thread = threading.Thread(target=self._run, name="audio log", daemon=True)
        self._thread.start()

    def write(self, stream_id: str, samples: Samples) -> None:
        """Have audio of a stream written, behind what came before."""
        if self.problem:
            return
        try:
            self._waiting.put_nowait((stream_id, samples))
        except queue.Full:
            if self.left_out_s == 0.0:
                logger.warning("audio log: the disk is too slow; some audio is left out")
            self.left_out_s += len(samples) / SAMPLE_RATE_HZ

    def close(self) -> None:
        """Write what waits and end; gives up after `CLOSE_S`."""
        try:
            self._waiting.put(None, timeout=CLOSE_S)
        except queue.Full:
            logger.warning("audio log: the disk is too slow; the last seconds are left out")
            return
        self._thread.join(CLOSE_S)

    # -- in the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except OSError as error:  # a full disk: the server goes on without
            self.problem = f"{error.strerror or error}"
            logger.error("audio log: nothing is written any more: %s", self.problem)
        finally:
            for stream_id in tuple(self._open):
                self._shut(stream_id)

    def _step(self) -> bool:
        try:
            piece = self._waiting.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            self._close_idle()
            self._sweep()
            return True
        if piece is None:
            return False
        self._append(*piece)
        if self._stored_bytes > self._max_bytes:
            self._sweep()
        return True

    def _append(self, stream_id: str, samples: Samples) -> None:
        there = self._open.get(stream_id)
        if there is not None and there.size_bytes >= self._segment_bytes:
            self._shut(stream_id)
            there = None
        if there is None:
            there = self._begin(stream_id)
        data = (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
        there.file.writeframes(data)  # which also puts the new length into the header
        there.size_bytes += len(data)
        there.used_s = time.monotonic()
        self._stored_bytes += len(data)

    def _begin(self, stream_id: str) -> _Open:
        if len(self._open) >= MAX_OPEN:
            self._shut(min(self._open, key=lambda each: self._open[each].used_s))
        moment = datetime.fromtimestamp(self._wall_clock(), UTC)
        name = f"{PREFIX}{moment:%Y%m%dT%H%M%S.%f}Z_{stream_id}.wav"
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
        raw = os.fdopen(os.open(self._folder / name, flags, 0o600), "wb")
        file = wave.open(raw)  # noqa: SIM115 (it stays open)
        file.setparams((1, BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, 0, "NONE", ""))
        there = self._open[stream_id] = _Open(raw, file, name, 0, time.monotonic())
        return there

    def _shut(self, stream_id: str) -> None:
        there = self._open.pop(stream_id)
        try:
            with there.raw:
                there.file.close()
        except OSError as error:
            logger.error("audio log: a file was not closed: %s", error)

    def _close_idle(self) -> None:
        now_s = time.monotonic()
        for stream_id in [s for s, each in self._open.items() if now_s - each.used_s > IDLE_S]:
            self._shut(stream_id)

    def _sweep(self) -> None:
        """Delete what is too old or too much, files that are still written to included."""
        stored = []
        for path in self._folder.glob(f"{PREFIX}*.wav"):
            with suppress(FileNotFoundError):  # somebody else deletes, too
                stat = path.stat()
                stored.append(StoredAudio(path.name, stat.st_size, stat.st_mtime))
        gone = to_delete(stored, self._wall_clock(), self._max_bytes, self._max_age_s)
        for stream_id in [s for s, each in self._open.items() if each.name in gone]:
            self._shut(stream_id)
        for name in gone:
            (self._folder / name).unlink(missing_ok=True)
        self._stored_bytes = sum(file.size_bytes for file in stored if file.name not in gone)


class LoggedIntake(AudioIntake):
    """An intake whose streams are written to the log, as the recogniser hears them."""

    def __init__(
        self, config: FrontendConfig, silero: SileroModel, connection: str, log: AudioLog
    ) -> None:
        super().__init__(config, silero)
        self._connection = connection
        self._log = log

    def push(self, data: bytes) -> IntakeResult:
        """As without a log."""
        return self._logged(super().push(data))

    def flush(self) -> IntakeResult:
        """As without a log."""
        return self._logged(super().flush())

    def set_format(self, audio_format: AudioFormat) -> IntakeResult:
        """As without a log."""
        return self._logged(super().set_format(audio_format))

    def _logged(self, result: IntakeResult) -> IntakeResult:
        for index, items in enumerate(result.streams, start=1):
            blocks = [item.samples for item in items if isinstance(item, PcmBlock)]
            if blocks:
                self._log.write(f"{self._connection}.{index}", np.concatenate(blocks))
        return result


def make_intake(
    config: FrontendConfig, silero: SileroModel, connection: str, log: AudioLog | None
) -> AudioIntake:
    """The intake of a connection, logged if there is a log."""
    if log is None:
        return AudioIntake(config, silero)
    return LoggedIntake(config, silero, connection, log)
