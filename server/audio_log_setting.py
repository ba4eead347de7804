"""Whether what is heard is written to disk, and what people are told of it."""

from __future__ import annotations

import logging
from pathlib import Path

from server.audio_log import AudioLog
from server.engines import cache_dir_of
from server.settings import Settings

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
FOLDER = "audio_log"
WARNING = (
    "AUDIO LOGGING IS ON: what is said is written to the server's disk, {mb} MB and {days:g} days "
    "of it at most (setting audio_log)"
)


def open_audio_log(settings: Settings) -> AudioLog | None:
    """The log, if it is asked for. Raises SettingError for a folder that cannot be used."""
    if not settings.audio_log:
        return None
    folder = Path(settings.audio_log_dir or cache_dir_of(settings) / FOLDER)
    log = AudioLog(
        folder,
        max_bytes=settings.audio_log_mb * 1_000_000,
        max_age_s=settings.audio_log_days * DAY_S,
    )
    logger.warning("%s: %s", _warning(settings), folder)
    return log


def notices_of(settings: Settings, log: AudioLog | None) -> list[str]:
    """What a person should know of it."""
    if log is None:
        return []
    if log.problem:
        return [f"audio logging has stopped: {log.problem}"]
    return [_warning(settings)]


def _warning(settings: Settings) -> str:
    return WARNING.format(mb=settings.audio_log_mb, days=settings.audio_log_days)
