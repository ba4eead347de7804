"""The Hugging Face cache of one repository: what is there, parts of downloads, putting in place.

The layout is the library's: `blobs/<etag>` holds contents, `snapshots/<commit>/<name>` links to
them, `refs/<revision>` names a commit. What we add ends in `.thai-asr.incomplete` and
`.thai-asr.json` (and `.thai-asr.making`, for a moment), names that no other program uses; all go
when the download is complete.
Methods raise OSError.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from asr.download_plan import DownloadPlan, RepoFile, RepoListing
from asr.hub import Validator, is_commit, strong_etag
from asr.interruptible import raise_if_cancelled

logger = logging.getLogger(__name__)

PART_SUFFIX: Final = ".thai-asr.incomplete"
VALIDATOR_SUFFIX: Final = ".thai-asr.json"
MAKING_SUFFIX: Final = ".thai-asr.making"

_LOCK_POLL_S: Final = 0.3
_LOCK_MODE: Final = 0o664
"""As the hub's library: members of a group may share a cache."""

Link = Callable[[Path, Path], None]


def default_hub_cache_dir() -> Path:
    """As HF_HUB_CACHE or HF_HOME say."""
    return Path(constants.HF_HUB_CACHE)


class RepoCache:
    """One repository's part of a cache. `links` are tried in turn to put a blob into a snapshot."""

    def __init__(self, cache_dir: Path, repo: str, links: tuple[Link, ...] | None = None) -> None:
        name = repo_folder_name(repo_id=repo, repo_type="model")
        self.folder = cache_dir / name
        self._blobs = self.folder / "blobs"
        self._lock_path = cache_dir / ".locks" / name / "thai-asr.lock"
        self._links = default_links() if links is None else links

    # -- what is there -------------------------------------------------------------------------
    def snapshot(self, commit: str) -> Path:
        """The folder of a commit's files."""
        return self.folder / "snapshots" / commit

    def commit_of(self, revision: str) -> str | None:
        """The commit that a revision meant when it was last downloaded."""
        if is_commit(revision):
            return revision
        try:
            return (self.folder / "refs" / revision).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def whole(self, listing: RepoListing) -> frozenset[str]:
        """Etags of the contents that are there whole, by their sizes."""
        snapshot = self.snapshot(listing.commit)
        return frozenset(
            file.etag
            for file in listing.files
            if _size(self._blobs / file.etag) == file.size_bytes
            or _size(snapshot / file.name) == file.size_bytes
        )

    def is_published(self, plan: DownloadPlan) -> bool:
        """Whether every file of a model lies in its place, by their sizes."""
        snapshot = self.snapshot(plan.listing.commit)
        return all(_size(snapshot / file.name) == file.size_bytes for file in plan.files)

    def parts(self) -> dict[str, int]:
        """Bytes of unfinished contents, by etag."""
        found = self._blobs.glob(f"*{PART_SUFFIX}")
        return {path.name.removesuffix(PART_SUFFIX): _size(path) or 0 for path in found}

    # -- downloading ---------------------------------------------------------------------------
    @contextlib.contextmanager
    def lock(self, cancelled: threading.Event) -> Iterator[None]:
        """One download of a repository at a time, over all processes; another waits here.

        Raises EngineError `cancelled`.
        """
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock: BaseFileLock = FileLock(self._lock_path, mode=_LOCK_MODE)
        waiting = False
        while True:
            raise_if_cancelled(cancelled)
            try:
                lock.acquire(timeout=_LOCK_POLL_S)
                break
            except NotImplementedError:  # a network's file system without locks
                lock = SoftFileLock(self._lock_path, mode=_LOCK_MODE)
            except Timeout:
                if not waiting:
                    logger.info("another process downloads %s; waiting", self.folder.name)
                    waiting = True
        try:
            yield
        finally:
            lock.release()

    def part_path(self, file: RepoFile) -> Path:
        """Where a content lies until it is complete."""
        return self._blobs / f"{file.etag}{PART_SUFFIX}"

    def prepare(self, plan: DownloadPlan) -> None:
        """Make the folders; remove what earlier downloads left and this one does not go on with."""
        self._blobs.mkdir(parents=True, exist_ok=True)
        wanted = {file.etag for file in plan.to_fetch}
        for suffix in (PART_SUFFIX, VALIDATOR_SUFFIX):
            for path in self._blobs.glob(f"*{suffix}"):
                if path.name.removesuffix(suffix) not in wanted:
                    logger.info("removing %s, left of an earlier download", path)
                    path.unlink(missing_ok=True)

    def discard(self, file: RepoFile) -> None:
        """Remove what was fetched of a content."""
        self.part_path(file).unlink(missing_ok=True)
        self._validator_path(file).unlink(missing_ok=True)

    def validator(self, file: RepoFile) -> Validator | None:
        """Under which etag the part was served, if that was kept."""
        try:
            fields = json.loads(self._validator_path(file).read_text(encoding="utf-8"))
            etag = strong_etag(fields["etag"])
            return None if etag is None else Validator(str(fields["origin"]), etag)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_validator(self, file: RepoFile, validator: Validator | None) -> None:
        """Remember it for the next try."""
        path = self._validator_path(file)
        if validator is None:
            path.unlink(missing_ok=True)
        else:
            fields = {"origin": validator.origin, "etag": validator.etag}
            path.write_text(json.dumps(fields), encoding="utf-8")

    def _validator_path(self, file: RepoFile) -> Path:
        return self._blobs / f"{file.etag}{VALIDATOR_SUFFIX}"

    # -- putting in place ----------------------------------------------------------------------
    def publish(self, plan: DownloadPlan, revision: str) -> Path:
        """Make the fetched contents a snapshot, weights last; its folder.

        Until the end of it the model is not found, or is found as it was before.
        """
        for file in plan.to_fetch:
            os.replace(self.part_path(file), self._blobs / file.etag)
            self._validator_path(file).unlink(missing_ok=True)
        _sync_folder(self._blobs)
        snapshot = self.snapshot(plan.listing.commit)
        placed: dict[str, Path] = {}
        for file in plan.files:
            target = snapshot / file.name
            if _size(target) != file.size_bytes:
                self._place(self._blobs / file.etag, target, placed.get(file.etag))
            placed.setdefault(file.etag, target)
        _sync_folder(snapshot)
        if revision != plan.listing.commit:
            _write_atomically(self.folder / "refs" / revision, plan.listing.commit)
        return snapshot

    def _place(self, blob: Path, target: Path, twin: Path | None) -> None:
        """Link, or where the file system cannot, move; `twin` has the same content."""
        target.parent.mkdir(parents=True, exist_ok=True)
        making = target.with_name(target.name + MAKING_SUFFIX)
        making.unlink(missing_ok=True)  # of a process that was killed
        try:
            if not blob.exists():
                shutil.copyfile(twin or blob, making)
            elif not any(_linked(link, blob, making) for link in self._links):
                os.replace(blob, target)
                return
            os.replace(making, target)
        finally:
            making.unlink(missing_ok=True)


def default_links() -> tuple[Link, ...]:
    """Symbolic links, as the library makes them; hard ones where those need a privilege."""
    if getattr(constants, "HF_HUB_DISABLE_SYMLINKS", False):
        return (hard_link,)
    return (symbolic_link, hard_link)


def symbolic_link(blob: Path, target: Path) -> None:
    """A relative one, so that the cache can be moved."""
    target.symlink_to(os.path.relpath(blob, target.parent))


def hard_link(blob: Path, target: Path) -> None:
    """A second name of the same bytes."""
    target.hardlink_to(blob)


def _linked(link: Link, blob: Path, target: Path) -> bool:
    """Whether it could be."""
    try:
        link(blob, target)
    except OSError:
        return False
    return True


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(path.name + MAKING_SUFFIX)
    try:
        with making.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(making, path)
    finally:
        making.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the names on the disk too, where a folder can be synced (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size(path: Path) -> int | None:
    """Of a file, links followed; None where there is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
