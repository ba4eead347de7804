"""Whether a model finds room on this machine, and what one has taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asr.device import DeviceProbe, used_mb
from asr.memory_rule import Fit, FitVerdict, estimate_mb, judge
from asr.types import ModelSpec
from server.engines import Machine


class Admission:
    """The rule of admission with the machine's figures (blocking; for the model thread).

    `locate` finds a model's files, whose size the estimate is made from. `fraction` of the
    device's memory is what all models together may take.
    """

    def __init__(
        self,
        machine: Machine,
        probe: DeviceProbe,
        locate: Callable[[ModelSpec], Path | None],
        fraction: float,
    ) -> None:
        self._machine = machine
        self._probe = probe
        self._locate = locate
        self._fraction = fraction

    def used_mb(self) -> int | None:
        """What is in use where models live, to be read before and after a load."""
        return used_mb(self._machine.device, self._probe)

    def judge(self, spec: ModelSpec, loaded_mb: int) -> FitVerdict:
        """Whether a model fits beside those loaded. Where memory cannot be told, it does."""
        machine = self._machine
        needed_mb = estimate_mb(
            spec,
            self._weights_bytes(spec),
            machine.device,
            machine.compute_type,
            machine.max_batch,
        )
        memory = self._probe.memory(machine.device)
        if memory is None:
            return FitVerdict(Fit.BESIDE, needed_mb, 0, "the device does not tell its memory")
        return judge(needed_mb, loaded_mb, memory.free_mb, memory.total_mb, self._fraction)

    def _weights_bytes(self, spec: ModelSpec) -> int:
        folder = self._locate(spec)
        try:
            return (folder / "model.bin").stat().st_size if folder is not None else 0
        except OSError:
            return 0
