"""Downloads from a hub on localhost into a cache of their own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from asr.download import ModelDownloader
from asr.engine import EngineError
from asr.hub import Patience
from asr.transfer import Transfer
from asr.types import ModelFormat, ModelSpec
from tests.support.hub_server import HubServer

REPO = "owner/name"
CT2_SPEC = ModelSpec("m", "M", "", REPO, ModelFormat.CT2, "fast")
HURRIED = Patience(connect_s=2.0, stall_s=2.0, attempts=3, first_wait_s=0.0, longest_wait_s=0.0)
SMALL_FILES = {
    "config.json": b"{}",
    "tokenizer.json": b'{"a": 1}',
    "vocabulary.json": b'["a"]',
}


def ct2_files(size_bytes: int = 300_000, seed: int = 1) -> dict[str, bytes]:
    """A CTranslate2 model as far as names go."""
    return SMALL_FILES | {"model.bin": random.Random(seed).randbytes(size_bytes)}


@dataclass
class DownloadRig:
    """A downloader with its cache, and what it told."""

    hub: HubServer
    cache_dir: Path
    patience: Patience = HURRIED
    token: str | bool = False
    free_bytes: Callable[[Path], int] = lambda folder: 10**12
    told: list[Transfer] = field(default_factory=list)

    def run(self, spec: ModelSpec = CT2_SPEC, cancelled: threading.Event | None = None) -> Path:
        downloader = ModelDownloader(
            cache_dir=self.cache_dir,
            endpoint=self.hub.endpoint,
            token=self.token,
            patience=self.patience,
            free_bytes=self.free_bytes,
        )
        self.told = []
        return downloader.download(spec, self.told.append, cancelled or threading.Event())

    def fail(self, spec: ModelSpec = CT2_SPEC, cancelled: threading.Event | None = None) -> str:
        """Run it; the code of the error."""
        try:
            self.run(spec, cancelled)
        except EngineError as error:
            return error.code
        raise AssertionError("the download did not fail")

    @property
    def repo_dir(self) -> Path:
        return self.cache_dir / f"models--{REPO.replace('/', '--')}"

    def leftovers(self) -> list[str]:
        """Names in the cache that only a download makes."""
        return sorted(path.name for path in self.repo_dir.rglob("*thai-asr*"))


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
