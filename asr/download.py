"""A model from the hub into the Hugging Face cache, gone on with where an earlier try ended."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asr.download_plan import (
    DownloadPlan,
    RepoFile,
    RepoListing,
    check_space,
    choose_files,
    plan_download,
)
from asr.engine import EngineError
from asr.fetch import Fetcher, disk_error
from asr.hub import DEFAULT_REVISION, Hub, Patience, is_commit
from asr.hub_cache import RepoCache, default_hub_cache_dir
from asr.hub_errors import HubError, offline_error
from asr.interruptible import call_interruptibly, raise_if_cancelled
from asr.transfer import Transfer, TransferMeter
from asr.types import ModelSpec

logger = logging.getLogger(__name__)

REPORT_S: Final = 0.2
"""Progress is told no more often."""

LISTING_ATTEMPTS: Final = 3


class ModelDownloader:
    """Downloads models; may be used from several threads.

    `cache_dir`, `endpoint` and `token` are by default those of HF_HOME (HF_HUB_CACHE), HF_ENDPOINT
    and HF_TOKEN. `free_bytes` says how much room a folder's disk has.
    """

    def __init__(
        self,
        *,
        cache_dir: Path | None = None,
        endpoint: str | None = None,
        token: str | bool | None = None,
        patience: Patience | None = None,
        offline: bool = False,
        clock: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._cache_dir = cache_dir or default_hub_cache_dir()
        self._hub = Hub(endpoint, token, patience)
        self._offline = offline
        self._clock = clock
        self._free_bytes = free_bytes

    def download(
        self,
        spec: ModelSpec,
        on_progress: Callable[[Transfer], None],
        cancelled: threading.Event,
    ) -> Path:
        """Fetch what is missing of a model (blocking); the folder of its files.

        The first progress says what was there before; further ones come five times a second at
        most, and one at the end. Without a network a model that is there whole is returned as it
        is. Setting `cancelled` ends it within about a second; what was fetched stays.

        Raises EngineError: `offline`, `no_network`, `hub_unavailable`, `gated_model`,
        `model_not_found`, `unsafe_format`, `disk_full`, `checksum_mismatch`, `cache_failed`,
        `cancelled`.
        """
        revision = spec.revision or DEFAULT_REVISION
        cache = RepoCache(self._cache_dir, spec.repo)
        here = self._complete_snapshot(cache, spec, revision)
        if here is not None and (is_commit(revision) or self._offline):
            return _already(here, on_progress)
        if self._offline:
            raise offline_error()
        try:
            listing = self._listing(spec.repo, revision, 1 if here else LISTING_ATTEMPTS, cancelled)
        except HubError as error:
            if here is None:
                raise
            logger.warning("using %s as it is: %s", here, error.message)
            return _already(here, on_progress)
        if here == cache.snapshot(listing.commit) and cache.is_published(
            plan_download(listing, spec.format, (), {})
        ):
            return _already(here, on_progress)  # nothing is written: this user may only read
        try:
            with cache.lock(cancelled):
                plan = plan_download(listing, spec.format, cache.whole(listing), cache.parts())
                return self._carry_out(cache, plan, revision, on_progress, cancelled)
        except OSError as error:
            raise disk_error(error, cache.folder) from error

    def _complete_snapshot(self, cache: RepoCache, spec: ModelSpec, revision: str) -> Path | None:
        """The folder of a model that is there whole, as far as names tell; asks nobody."""
        commit = cache.commit_of(revision)
        if commit is None:
            return None
        folder = cache.snapshot(commit)
        try:
            names = {path.name for path in folder.iterdir() if path.is_file()}
            choose_files(spec.repo, names, spec.format)
        except (OSError, EngineError):
            return None
        return folder

    def _listing(
        self, repo: str, revision: str, attempts: int, cancelled: threading.Event
    ) -> RepoListing:
        for failures in range(1, attempts + 1):
            try:
                return call_interruptibly(
                    lambda: self._hub.listing(repo, revision), cancelled, "hub listing"
                )
            except HubError as error:
                if not error.passing or failures == attempts:
                    raise
                wait_s = self._hub.patience.wait_s(failures, error.wait_s)
                logger.warning("%s; again in %.1f s", error.brief, wait_s)
                cancelled.wait(wait_s)
                raise_if_cancelled(cancelled)
        raise AssertionError("no attempt was made")

    def _carry_out(
        self,
        cache: RepoCache,
        plan: DownloadPlan,
        revision: str,
        on_progress: Callable[[Transfer], None],
        cancelled: threading.Event,
    ) -> Path:
        cache.prepare(plan)
        check_space(plan, self._free_bytes(cache.folder), str(cache.folder))
        report = _Report(plan, on_progress, self._clock)
        for file in plan.to_fetch:
            Fetcher(self._hub, cache, plan.listing, cancelled, report.of(file)).fetch(file)
        raise_if_cancelled(cancelled)
        folder = cache.publish(plan, revision)
        report.end()
        return folder


class _Report:
    """Tells how far the whole download has come, now and then."""

    def __init__(
        self,
        plan: DownloadPlan,
        on_progress: Callable[[Transfer], None],
        clock: Callable[[], float],
    ) -> None:
        self._on_progress = on_progress
        self._clock = clock
        self._parts = {file.etag: plan.part_bytes(file) for file in plan.to_fetch}
        self._complete_bytes = plan.done_bytes - sum(self._parts.values())
        self._told_s = clock()
        self._meter = TransferMeter(plan.done_bytes, plan.total_bytes, self._told_s)
        on_progress(Transfer(plan.done_bytes, plan.total_bytes))

    def of(self, file: RepoFile) -> Callable[[int], None]:
        """What takes the positions in one file."""

        def at(position: int) -> None:
            self._parts[file.etag] = position
            now_s = self._clock()
            if now_s - self._told_s >= REPORT_S:
                self._tell(now_s)

        return at

    def end(self) -> None:
        """All is there."""
        self._tell(self._clock())

    def _tell(self, now_s: float) -> None:
        self._told_s = now_s
        self._on_progress(self._meter.at(self._complete_bytes + sum(self._parts.values()), now_s))


def _already(folder: Path, on_progress: Callable[[Transfer], None]) -> Path:
    """A model that needs nothing."""
    size_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    on_progress(Transfer(size_bytes, size_bytes))
    return folder
