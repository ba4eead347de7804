"""Folders that appear whole or not at all, whoever else makes them at the same time.

A folder is made beside its place, under a lock that ends with its process, and moved there. What a
killed process left is known by its lock being free, and removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from asr.engine import EngineError

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)

_MAKING: Final = ".making"
_LOCK: Final = ".lock"
_WAIT_S: Final = 0.2


@contextlib.contextmanager
def locked(folder: Path, cancelled: threading.Event) -> Iterator[None]:
    """Alone with a folder that may not be there yet; waits for who is. Raises EngineError.

    `cancelled` where that is set meanwhile.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_of(folder))
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if cancelled.wait(_WAIT_S):
                raise EngineError("cancelled", "cancelled while another process did it") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A path beside a locked folder, free to be made there; removed if it was not moved."""
    path = folder.with_name(folder.name + _MAKING)
    shutil.rmtree(path, ignore_errors=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def move_into_place(made: Path, folder: Path) -> None:
    """Give a locked folder its content, on the disk and not only in its cache. Raises OSError."""
    for path in made.iterdir():
        if not path.is_symlink():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    if folder.exists():
        shutil.rmtree(folder)
    made.rename(folder)


def remove_leavings(parent: Path) -> None:
    """Remove what killed processes left half made."""
    for path in parent.glob(f"*{_MAKING}"):
        lock = FileLock(_lock_of(path.with_name(path.name.removesuffix(_MAKING))))
        with contextlib.suppress(Timeout, OSError), lock.acquire(timeout=0):
            shutil.rmtree(path, ignore_errors=True)


def placing_error(error: OSError, place: Path) -> EngineError:
    """What a failure to write means: `disk_full` or `cache_failed`."""
    if error.errno in NO_SPACE:
        return EngineError("disk_full", f"the disk of {place} is full; make room there")
    return EngineError(
        "cache_failed",
        f"cannot write to {place} ({error.strerror or error}); set THAI_ASR_CACHE_DIR to a folder "
        "that can be written",
    )


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
