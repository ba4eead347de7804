"""From catalogue entries to engines: files found, fetched and converted, weights loaded."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from asr.ct2_engine import Ct2Engine
from asr.device import DeviceProbe
from asr.download import ModelDownloader
from asr.engine import Engine, EngineError
from asr.load_machine import LoadPhase
from asr.locate import check_model_dir, find_model
from asr.model_source import TellFetch
from asr.resilient_engine import ResilientEngine
from asr.types import ModelSpec
from server.engines import Machine, cache_dir_of
from server.settings import Settings

logger = logging.getLogger(__name__)


class ModelStore:
    """The `ModelSource` of a real server."""

    def __init__(self, settings: Settings, machine: Machine, probe: DeviceProbe) -> None:
        self._machine = machine
        self._probe = probe
        self.cache_dir = cache_dir_of(settings)
        self._downloader = ModelDownloader(offline=settings.offline)

    def locate(self, spec: ModelSpec) -> Path | None:
        """The folder of a model's files that an engine could load, None if there is none."""
        return find_model(spec, self.cache_dir)

    def is_ready(self, spec: ModelSpec) -> bool:
        """Whether a model can be loaded as it is on disk.

        A folder of the operator's is: if it does not fit, fetching would not help, and loading
        says why.
        """
        path = self.locate(spec)
        if path is None or spec.path is not None:
            return path is not None
        try:
            check_model_dir(path)
        except EngineError as error:
            logger.info("%s has to be fetched: %s", spec.id, error.message)
            return False
        return True

    def fetch(self, spec: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        """Get a model's files and make them fit to load. Raises EngineError."""
        if spec.path is not None:
            raise EngineError("model_not_on_disk", f"the folder {spec.path} is not there")
        self._downloader.download(
            spec, lambda transfer: tell(LoadPhase.DOWNLOADING, transfer), cancelled
        )

    def open(self, spec: ModelSpec) -> Engine:
        """Load a model. Raises EngineError."""
        path = self.locate(spec)
        if path is None:
            raise EngineError("model_not_on_disk", f"{spec.id} is not on this machine's disk")
        check_model_dir(path)

        def in_numbers(compute_type: str) -> Engine:
            return self._engine(spec, path, compute_type)

        supported = self._probe.supported_compute_types(self._machine.device)
        engine = in_numbers(self._machine.compute_type)
        return ResilientEngine(engine, in_numbers, supported)

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
        )
