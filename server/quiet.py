"""How long nobody has spoken, so that it is said once. Pure."""

from __future__ import annotations

from audio.types import ms_to_samples

NO_SPEECH_NOTICE_MS = 15_000


class Quiet:
    """A stretch of audio without speech."""

    def __init__(self) -> None:
        self._samples = 0
        self._told = False

    def ended(self) -> None:
        """Somebody spoke."""
        self._samples = 0
        self._told = False

    def lasts(self, samples: int) -> bool:
        """More audio without speech: whether that is to be said now."""
        self._samples += samples
        if self._told or self._samples <= ms_to_samples(NO_SPEECH_NOTICE_MS):
            return False
        self._told = True
        return True
