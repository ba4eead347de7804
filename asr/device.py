"""Where models run and in which numbers: what the machine has, and what follows from it.

The decisions take a `DeviceProbe`, so that every branch of theirs is tested with a made-up
machine. None of it was run on a GPU (docs/gpu_checklist.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import psutil

from asr import nvidia_smi
from asr.ct2_engine import cuda_device_count, supported_compute_types
from asr.cuda_libraries import CudaLibraries, open_cuda_libraries
from asr.engine import EngineError
from asr.memory_rule import MIB
from asr.nvidia_smi import Card

_PREFERRED: Final[Mapping[str, tuple[str, ...]]] = {
    "cuda": ("float16", "int8_float32", "float32"),
    "cpu": ("int8", "float32"),
}
"""Cards before the RTX 20 series (compute capability below 7.0) have no fast float16, and
CTranslate2 does not offer it there."""

_BFLOAT16_FROM: Final = (8, 0)

INSTALL_GPU: Final = "pip install -r requirements_gpu.txt"


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a device, MiB."""

    total_mb: int
    free_mb: int


class DeviceProbe(Protocol):
    """What a machine has. No call raises; all block, some for seconds."""

    def cuda_device_count(self) -> int:
        """Cards that CTranslate2 can use: with a driver for CUDA 12."""
        ...

    def cuda_problem(self) -> str:
        """Why the CUDA libraries cannot be used; empty if they can."""
        ...

    def cards(self) -> Sequence[Card]:
        """NVIDIA cards as their driver names them; none where it cannot be asked."""
        ...

    def supported_compute_types(self, device: str) -> frozenset[str]:
        """What CTranslate2 computes in on a device, efficiently."""
        ...

    def memory(self, device: str) -> Memory | None:
        """Of the card that models run on, or of the machine; None where it cannot be told."""
        ...

    def process_mb(self) -> int:
        """What this process takes of the machine's memory, MiB."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """`cuda` or `cpu`; `reason` says why a card that is there is not used."""

    device: str
    reason: str = ""


def resolve_device(wanted: str, probe: DeviceProbe) -> DeviceChoice:
    """The device for a setting of `auto`, `cuda` or `cpu`.

    Raises EngineError `no_gpu` or `cuda_libraries_missing` when `cuda` was asked for in vain.
    """
    if wanted == "cpu":
        return DeviceChoice("cpu")
    code, reason = "", ""
    if probe.cuda_device_count() == 0:
        code, reason = "no_gpu", _why_no_device(probe.cards())
    elif problem := probe.cuda_problem():
        code = "cuda_libraries_missing"
        reason = f"the CUDA 12 libraries cannot be used ({problem}); run: {INSTALL_GPU}"
    if not code:
        return DeviceChoice("cuda")
    if wanted == "cuda":
        found = reason or "no CUDA device was found"
        raise EngineError(code, f"{found}; or use --device cpu or auto")
    return DeviceChoice("cpu", reason)


def _why_no_device(cards: Sequence[Card]) -> str:
    if not cards:
        return ""
    driver = f" {cards[0].driver}" if cards[0].driver else ""
    return (
        f"{cards[0].name} is there, but CUDA does not see it: its driver{driver} may be too old "
        "for CUDA 12 (525 or later is needed), or CUDA_VISIBLE_DEVICES hides it"
    )


def resolve_compute_type(wanted: str, device: str, probe: DeviceProbe) -> str:
    """The compute type for a device: float16 on a GPU that is fast in it, int8 on a CPU.

    Raises EngineError `bad_compute_type` for one that the device does not support.
    """
    supported = probe.supported_compute_types(device)
    if wanted == "auto":
        return next((kind for kind in _PREFERRED[device] if kind in supported), "float32")
    if wanted not in supported:
        raise EngineError(
            "bad_compute_type",
            f"compute type {wanted} is not supported on {device}{_why_not(wanted, device, probe)}:"
            f" {', '.join(sorted(supported))}",
        )
    return wanted


def _why_not(wanted: str, device: str, probe: DeviceProbe) -> str:
    cards = probe.cards() if device == "cuda" else ()
    capability = cards[0].capability if cards else None
    if capability is None or "bfloat16" not in wanted or capability >= _BFLOAT16_FROM:
        return ""
    return (
        f" (bfloat16 needs compute capability 8.0, this card has {nvidia_smi.dotted(capability)})"
    )


def used_mb(device: str, probe: DeviceProbe) -> int | None:
    """What is in use where models of `device` live, MiB: read before and after a load.

    On a GPU that of all programs together, since the driver tells no more everywhere.
    """
    if device == "cpu":
        return probe.process_mb()
    memory = probe.memory(device)
    return None if memory is None else memory.total_mb - memory.free_mb


class RealProbe:
    """The machine that this runs on."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, cgroup: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._environment = environment
        self._cgroup = cgroup
        self._cardless = self._seen = False

    @cached_property
    def libraries(self) -> CudaLibraries:
        """The CUDA libraries, opened at the first look."""
        return open_cuda_libraries()

    def cuda_device_count(self) -> int:
        """Cards that CTranslate2 can use."""
        return cuda_device_count()

    def cuda_problem(self) -> str:
        """Why cuBLAS cannot be opened."""
        return self.libraries.problem

    def cards(self) -> Sequence[Card]:
        """What `nvidia-smi` tells, the card first that CUDA takes first."""
        if self._cardless:  # where a driver is broken each question takes its longest
            return ()
        found = nvidia_smi.ask(self._environment)
        self._seen = self._seen or bool(found)
        self._cardless = not self._seen  # a card that was there once is asked for again
        return nvidia_smi.visible(found, self._environment)

    def supported_compute_types(self, device: str) -> frozenset[str]:
        """What CTranslate2 says."""
        return supported_compute_types(device)

    def memory(self, device: str) -> Memory | None:
        """Of the first card, or of the machine within its container's limit."""
        if device == "cpu":
            whole = psutil.virtual_memory()
            free_mb, total_mb = whole.available // MIB, whole.total // MIB
            limit = self.container_memory()
            if limit is not None and limit.total_mb < total_mb:
                return Memory(limit.total_mb, min(free_mb, limit.free_mb))
            return Memory(total_mb, free_mb)
        card = next(iter(self.cards()), None)
        if card is None or card.total_mb is None or card.free_mb is None:
            return None
        return Memory(card.total_mb, card.free_mb)

    def process_mb(self) -> int:
        """Resident memory of this process."""
        return int(psutil.Process().memory_info().rss // MIB)

    def container_memory(self) -> Memory | None:
        """A container's own limit (cgroup 2), which the machine's figures do not show."""
        try:
            limit = int((self._cgroup / "memory.max").read_text(encoding="ascii"))
            used = int((self._cgroup / "memory.current").read_text(encoding="ascii"))
        except (OSError, ValueError):  # no container, another system, or "max"
            return None
        return Memory(limit // MIB, max(0, limit - used) // MIB)
