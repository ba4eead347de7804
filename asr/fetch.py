"""One file of a repository to the disk: gone on with where it broke off, and checked."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asr.download_plan import RepoFile, RepoListing, disk_full
from asr.engine import EngineError
from asr.hub import ByteStream, Head, Hub
from asr.hub_cache import RepoCache
from asr.hub_errors import HubError, host_of, no_answer
from asr.interruptible import Interruptible, raise_if_cancelled
from asr.part_file import PartFile

logger = logging.getLogger(__name__)

WORTHWHILE_BYTES: Final = 65_536
"""A try that gets no further than this beyond all before it counts as one that failed."""

_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


class Fetcher:
    """Fetches files of one listing. `on_position` is told how much of the file is there.

    It is called at least ten times a second, also while nothing comes.
    """

    def __init__(
        self,
        hub: Hub,
        cache: RepoCache,
        listing: RepoListing,
        cancelled: threading.Event,
        on_position: Callable[[int], None],
    ) -> None:
        self._hub = hub
        self._cache = cache
        self._listing = listing
        self._cancelled = cancelled
        self._on_position = on_position

    def fetch(self, file: RepoFile) -> None:
        """Complete and check a file's part, on the disk (blocking).

        Raises EngineError `checksum_mismatch` (nothing is kept then), HubError, `disk_full`,
        `cache_failed`, `cancelled` (what came is kept).
        """
        try:
            resumed = self._try(file)
            if resumed is False:
                raise _mismatch(self._listing, file)
            if resumed is True:  # an old part was wrong: a lost write, another's hand
                logger.warning("%s: what an earlier try left is damaged; begun anew", file.name)
                if self._try(file) is not None:
                    raise _mismatch(self._listing, file)
        except OSError as error:
            raise disk_error(error, self._cache.folder) from error

    def _try(self, file: RepoFile) -> bool | None:
        """None if the file is right; else whether some of it was there before. Discarded then."""
        with PartFile(self._cache.part_path(file), file, self._check) as part:
            start = part.size_bytes
            self._fill(file, part)
            if part.is_right():
                part.sync()
                return None
        self._cache.discard(file)
        return start > 0

    def _check(self) -> None:
        raise_if_cancelled(self._cancelled)

    def _fill(self, file: RepoFile, part: PartFile) -> None:
        """Fetch until all is there, over broken lines. A part that is begun anew ends whole too."""
        failures, furthest = 0, part.size_bytes
        while part.size_bytes < file.size_bytes:
            try:
                self._stream(file, part)
            except HubError as error:
                if not error.passing:
                    raise
                # not from where this try began: what is begun anew over and over gets nowhere
                brought = part.size_bytes - furthest
                furthest = max(furthest, part.size_bytes)
                failures = 1 if brought >= WORTHWHILE_BYTES else failures + 1
                if failures >= self._hub.patience.attempts:
                    raise
                wait_s = self._hub.patience.wait_s(failures, error.wait_s)
                logger.warning("%s: %s; again in %.1f s", file.name, error.brief, wait_s)
                self._wait(wait_s, part)

    def _wait(self, wait_s: float, part: PartFile) -> None:
        self._on_position(part.size_bytes)
        self._cancelled.wait(wait_s)
        self._check()

    def _stream(self, file: RepoFile, part: PartFile) -> None:
        """One request's bytes. Raises HubError where the line breaks off."""
        start = part.size_bytes
        validator = self._cache.validator(file) if start > 0 else None
        stream: ByteStream = self._hub.stream(
            self._listing.repo, self._listing.commit, file.name, start, validator
        )
        with Interruptible(stream.read, self._cancelled, "download", stream.wake) as running:
            for item in running.items():
                if isinstance(item, Head):
                    self._begin(file, part, item)
                elif item is not None:
                    part.append(item)
                    if part.size_bytes > file.size_bytes:
                        return  # the checksum will not match
                self._on_position(part.size_bytes)
        if part.size_bytes < file.size_bytes:
            raise no_answer(host_of(self._hub.endpoint), "it ended before the file did")

    def _begin(self, file: RepoFile, part: PartFile, head: Head) -> None:
        if head.anew:
            logger.warning("%s: what is there cannot be gone on with; begun anew", file.name)
            part.restart()
        self._cache.keep_validator(file, head.validator)


def _mismatch(listing: RepoListing, file: RepoFile) -> EngineError:
    return EngineError(
        "checksum_mismatch",
        f"{file.name} of {listing.repo} came damaged (its checksum is not the one that the hub "
        "names), and was removed; try again, on another network if it happens again: a proxy or a "
        "virus scanner may change what passes",
    )


def disk_error(error: OSError, folder: Path) -> EngineError:
    """What went wrong in the cache folder, as ours."""
    if error.errno in _NO_SPACE:
        return disk_full(str(folder), "could not go on")
    return EngineError(
        "cache_failed",
        f"cannot write to {error.filename or folder} ({error.strerror or error}); make {folder} "
        "writable for this user, or set HF_HOME to a folder that is",
    )
