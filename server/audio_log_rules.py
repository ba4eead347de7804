"""Which files of logged audio have to go. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """A file; `ended_s` is when it was last written to, in seconds of the wall clock."""

    name: str
    size_bytes: int
    ended_s: float


def to_delete(
    files: Iterable[StoredAudio], now_s: float, max_bytes: int, max_age_s: float
) -> list[str]:
    """Names of those too old, and of the oldest beyond `max_bytes` together; oldest first.

    A clock that was set back makes no file older.
    """
    newest_first = sorted(files, key=lambda file: (file.ended_s, file.name), reverse=True)
    gone, kept_bytes, full = [], 0, False
    for file in newest_first:
        full = full or kept_bytes + file.size_bytes > max_bytes
        if full or now_s - file.ended_s > max_age_s:
            gone.append(file.name)
        else:
            kept_bytes += file.size_bytes
    return gone[::-1]
