"""From settings to what models run on, on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from asr.device import DeviceProbe, RealProbe, resolve_compute_type, resolve_device
from asr.embedded_model import default_cache_dir
from server.settings import Settings

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


def cache_dir_of(settings: Settings) -> Path:
    """Where this server keeps what it made on this machine."""
    return Path(settings.cache_dir) if settings.cache_dir else default_cache_dir()


def usable_cpu_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
