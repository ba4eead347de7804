"""From catalogue entries to engines: files found, fetched and converted, weights loaded."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from asr.convert import Converter
from asr.convert_packages import find_convert_python
from asr.ct2_engine import Ct2Engine
from asr.device import DeviceProbe
from asr.download import ModelDownloader
from asr.engine import Engine, EngineError
from asr.load_machine import LoadPhase
from asr.locate import check_model_dir, find_model
from asr.model_source import TellFetch
from asr.prepared import prepare_model_dir
from asr.resilient_engine import ResilientEngine
from asr.tokenizer_pool import TokenizerPool
from asr.types import ModelFormat, ModelSpec
from server.engines import Machine, cache_dir_of
from server.package_check import ROOT
from server.settings import Settings

logger = logging.getLogger(__name__)


_FolderState: TypeAlias = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Hub:
    """Another hub and cache than those of the environment."""

    endpoint: str
    cache_dir: Path


class ModelStore:
    """The `ModelSource` of a real server."""

    def __init__(
        self, settings: Settings, machine: Machine, probe: DeviceProbe, hub: Hub | None = None
    ) -> None:
        self._machine = machine
        self._probe = probe
        self._tokenizers = TokenizerPool()
        self._checked: dict[Path, _FolderState] = {}
        """Folders found fit: their large JSON files need not be read at each load."""
        self._cache_dir = cache_dir_of(settings)
        self._hub_cache_dir = hub.cache_dir if hub else None
        self._downloader = ModelDownloader(
            cache_dir=self._hub_cache_dir,
            endpoint=hub.endpoint if hub else None,
            offline=settings.offline,
        )

    def locate(self, spec: ModelSpec) -> Path | None:
        """The folder of a model's files that an engine could load, None if there is none."""
        folder = self._published(spec)
        if folder is not None and spec.format is ModelFormat.TRANSFORMERS:
            return self._converter(None).find(spec, folder)
        return folder

    def is_ready(self, spec: ModelSpec) -> bool:
        """Whether a model can be loaded as it is on disk.

        A folder of the operator's is: if it does not fit, fetching would not help, and loading
        says why.
        """
        folder = self.locate(spec)
        if folder is None or spec.path is not None:
            return folder is not None
        try:
            self._usable(spec, folder)
        except EngineError as error:
            logger.info("%s has to be fetched: %s", spec.id, error.message)
            return False
        return True

    def fetch(self, spec: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        """Get a model's files and make them fit to load. Raises EngineError."""
        if spec.path is None:
            folder: Path | None = self._downloader.download(
                spec, lambda transfer: tell(LoadPhase.DOWNLOADING, transfer), cancelled
            )
        else:
            folder = self._published(spec)
        if folder is None:
            raise EngineError("model_not_on_disk", f"the folder {spec.path} is not there")
        if spec.format is ModelFormat.TRANSFORMERS:
            # looked for each time: the packages may have been installed since
            self._converter(find_convert_python(ROOT)).convert(
                spec, folder, lambda transfer: tell(LoadPhase.CONVERTING, transfer), cancelled
            )

    def open(self, spec: ModelSpec) -> Engine:
        """Load a model. Raises EngineError."""
        folder = self.locate(spec)
        if folder is None:
            raise EngineError("model_not_on_disk", f"{spec.id} is not on this machine's disk")
        usable = self._usable(spec, folder)

        def in_numbers(compute_type: str) -> Engine:
            return self._engine(spec, usable, compute_type)

        supported = self._probe.supported_compute_types(self._machine.device)
        return ResilientEngine(in_numbers(self._machine.compute_type), in_numbers, supported)

    def _published(self, spec: ModelSpec) -> Path | None:
        return find_model(spec, self._cache_dir, self._hub_cache_dir)

    def _usable(self, spec: ModelSpec, folder: Path) -> Path:
        """The folder, or ours where files had to be added. Raises EngineError for a misfit."""
        usable = prepare_model_dir(spec, folder, self._cache_dir)
        state = _state_of(usable)
        if self._checked.get(usable) != state:
            check_model_dir(usable)
            self._checked[usable] = state
        return usable

    def _converter(self, python: Path | None) -> Converter:
        return Converter(
            cache_dir=self._cache_dir, compute_type=self._machine.compute_type, python=python
        )

    def _engine(self, spec: ModelSpec, path: Path, compute_type: str) -> Engine:
        machine = self._machine
        return Ct2Engine(
            path,
            spec,
            device=machine.device,
            compute_type=compute_type,
            workers=machine.workers,
            threads_per_worker=machine.threads_per_worker,
            max_batch=machine.max_batch,
            tokenizers=self._tokenizers,
        )


def _state_of(folder: Path) -> _FolderState:
    """Name, size and time of every file: what changes when a file does."""
    whole = [path for path in folder.iterdir() if path.exists()]  # not links to nowhere
    files = ((path.name, path.stat()) for path in whole)
    return frozenset((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)
