"""From settings and this machine to loaded engines."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from asr.ct2_engine import Ct2Engine
from asr.device import DeviceProbe, RealProbe, resolve_compute_type, resolve_device
from asr.embedded_model import default_cache_dir
from asr.engine import Engine, EngineError
from asr.locate import check_model_dir, find_model
from asr.types import ModelSpec
from server.settings import Settings

logger = logging.getLogger(__name__)

CPU_MESSAGE = "Info: Using CPU (consider GPU for better performance)"
MAX_CPU_WORKERS = 4
CPU_BATCH = 4
"""In eight an utterance costs a fifth less and waits 0.75 s longer for its text (Whisper base, see
docs/measurements.md)."""
GPU_WORKERS = 4
GPU_BATCH = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how models run, decided once at start."""

    device: str
    compute_type: str
    workers: int
    threads_per_worker: int
    max_batch: int
    notice: str = ""
    """Why a card that is there is not used."""


def plan_machine(settings: Settings, cpu_count: int, probe: DeviceProbe | None = None) -> Machine:
    """Decide for this machine. Raises EngineError for a device it does not have.

    On a CPU several workers of one thread beat one worker of several (docs/measurements.md).
    """
    probe = probe or RealProbe()
    choice = resolve_device(settings.device, probe)
    on_gpu = choice.device == "cuda"
    default_workers = GPU_WORKERS if on_gpu else max(1, min(MAX_CPU_WORKERS, cpu_count))
    workers = settings.num_workers or default_workers
    return Machine(
        device=choice.device,
        compute_type=resolve_compute_type(settings.compute_type, choice.device, probe),
        workers=workers,
        threads_per_worker=max(1, cpu_count // workers),
        max_batch=settings.batch_size or (GPU_BATCH if on_gpu else CPU_BATCH),
        notice=f"the GPU is not used: {choice.reason}" if choice.reason else "",
    )


class Models(Protocol):
    """Where models come from."""

    def locate(self, spec: ModelSpec) -> Path | None:
        """Where a model is on disk, None if it is not."""
        ...

    def __call__(self, spec: ModelSpec) -> Engine:
        """Load a model (blocking). Raises EngineError."""
        ...


class EngineFactory:
    """Makes engines for catalogue entries that are on disk (blocking; for the model thread)."""

    def __init__(self, settings: Settings, machine: Machine) -> None:
        self._machine = machine
        self.cache_dir = cache_dir_of(settings)

    def locate(self, spec: ModelSpec) -> Path | None:
        """Where a model is on disk, None if it is not."""
        return find_model(spec, self.cache_dir)

    def __call__(self, spec: ModelSpec) -> Engine:
        """Load a model. Raises EngineError."""
        path = self.locate(spec)
        if path is None:
            raise EngineError("model_not_on_disk", f"{spec.id} is not on this machine's disk")
        check_model_dir(path)
        machine = self._machine
        return Ct2Engine(
            path,
            spec,
            device=machine.device,
            compute_type=machine.compute_type,
            workers=machine.workers,
            threads_per_worker=machine.threads_per_worker,
            max_batch=machine.max_batch,
        )


def cache_dir_of(settings: Settings) -> Path:
    """Where this server keeps what it made on this machine."""
    return Path(settings.cache_dir) if settings.cache_dir else default_cache_dir()


def usable_cpu_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
