"""A file of which a part is there: its bytes, and a running checksum of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from asr.download_plan import RepoFile

_SHA256_DIGITS: Final = 64
_BLOCK_BYTES: Final = 1 << 20


class Digest(Protocol):
    """As of hashlib."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """Of all so far."""
        ...


def digest_for(file: RepoFile) -> Digest:
    """The checksum that a file's etag is: SHA-256 of the bytes, or git's SHA-1 of a blob."""
    if len(file.etag) == _SHA256_DIGITS:
        return hashlib.sha256()
    git = hashlib.sha1(usedforsecurity=False)
    git.update(b"blob %d\0" % file.size_bytes)
    return git


class PartFile:
    """Open for more, at the end of what is there. A context manager; raises OSError.

    What is there is hashed as it is opened (`between` is called between blocks, and may raise).
    A part longer than the file is cut to nothing.
    """

    def __init__(self, path: Path, file: RepoFile, between: Callable[[], None]) -> None:
        self._path = path
        self._file = file
        self._between = between
        self.size_bytes = 0

    def __enter__(self) -> PartFile:
        self._handle = self._path.open("a+b", buffering=0)
        try:
            self._take_stock()
        except BaseException:
            self._handle.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.close()

    def _take_stock(self) -> None:
        self._digest = digest_for(self._file)
        there = os.fstat(self._handle.fileno()).st_size
        if there > self._file.size_bytes:
            self._handle.truncate(0)
            return
        self._handle.seek(0)
        while block := self._handle.read(min(_BLOCK_BYTES, there - self.size_bytes)):
            self._digest.update(block)
            self.size_bytes += len(block)
            self._between()

    def append(self, data: bytes) -> None:
        """Write it all."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._handle.write(rest) :]
        self._digest.update(data)
        self.size_bytes += len(data)

    def restart(self) -> None:
        """Forget all of it."""
        self._handle.truncate(0)
        self._digest = digest_for(self._file)
        self.size_bytes = 0

    def is_right(self) -> bool:
        """Whether this is the whole file, by size and checksum."""
        return (
            self.size_bytes == self._file.size_bytes and self._digest.hexdigest() == self._file.etag
        )

    def sync(self) -> None:
        """To the disk, not only to its cache."""
        os.fsync(self._handle.fileno())
