"""`--doctor`: is this machine fit, line by line, and what to do where it is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from asr.device import RealProbe
from asr.engine import EngineError
from asr.locate import find_model
from asr.types import ModelSpec
from server import (
    doctor_engine,
    doctor_machine,
    doctor_models,
    doctor_network,
    doctor_ports,
    doctor_sound,
)
from server.engines import cache_dir_of, plan_machine, usable_cpu_count
from server.findings import Finding, Level, line_of, problem, public, summary, warning
from server.package_check import ROOT, check_packages
from server.settings import Settings

LEVEL_WIDTH: Final = 9
STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.PROBLEM: "bold red",
}

Check = Callable[[], list[Finding]]


def examine(settings: Settings, out: TextIO | None = None) -> int:
    """Look at everything (blocking, seconds). The exit status is 0 if the server can run.

    The lines go to `out` (standard output), in colour on a terminal, and are fit for a bug report.
    """
    console = Console(file=out or sys.stdout, highlight=False, markup=False, soft_wrap=True)
    findings = []
    for finding in look(settings):
        show(finding, console)
        findings.append(finding)
    console.print(f"\n{summary(findings)}")
    return 1 if any(finding.level is Level.PROBLEM for finding in findings) else 0


def look(settings: Settings) -> Iterator[Finding]:
    """Every finding, as soon as it is made. A check that fails is a finding itself."""
    for check in _checks(settings):
        try:
            yield from check()
        except Exception as error:  # the others may still say what is the matter
            yield warning(
                "a check failed", f"{type(error).__name__}: {error}", "report it with all this"
            )


def show(finding: Finding, console: Console) -> None:
    """One line, and a second one with what to do."""
    level = finding.level
    line = Text(f"{level.value:<{LEVEL_WIDTH}}", style=STYLES[level])
    console.print(line.append(line_of(finding), style="default"))
    if finding.advice:
        console.print(f"{'':<{LEVEL_WIDTH}}-> {public(finding.advice)}")


def _checks(settings: Settings) -> list[Check]:
    probe = RealProbe()
    cache_dir = cache_dir_of(settings)
    return [
        lambda: _machine(probe),
        check_packages,
        lambda: [doctor_engine.check_cpu_decode(cache_dir)],
        lambda: doctor_engine.check_gpu(probe, lambda: probe.libraries, settings.device),
        lambda: _gpu_decode(settings, probe),
        lambda: _models(settings, probe),
        lambda: [
            doctor_models.check_folder("cache", cache_dir, needed=True),
            doctor_models.check_folder(
                "Hugging Face cache", doctor_models.hub_cache(), needed=False
            ),
        ],
        lambda: doctor_ports.check_ports(settings.host, settings.control_port, settings.audio_port),
        lambda: [doctor_sound.check_microphone(os.environ)],
        lambda: doctor_network.check_hub(settings.offline),
        lambda: [doctor_network.check_token(), *doctor_network.check_proxies()],
    ]


def _machine(probe: RealProbe) -> list[Finding]:
    return [
        doctor_machine.check_python(),
        doctor_machine.check_system(usable_cpu_count()),
        doctor_machine.check_memory(probe),
        doctor_machine.check_text(os.environ),
        doctor_machine.check_clock(),
    ]


def _gpu_decode(settings: Settings, probe: RealProbe) -> list[Finding]:
    if settings.device == "cpu":
        return []
    wanted_type = settings.compute_type
    return doctor_engine.check_gpu_decode(probe, cache_dir_of(settings), wanted_type)


def _models(settings: Settings, probe: RealProbe) -> list[Finding]:
    cache_dir = cache_dir_of(settings)

    def locate_on_disk(spec: ModelSpec) -> Path | None:
        return None if spec.embedded else find_model(spec, cache_dir)

    path = Path(settings.models_file)
    path = path if path.exists() or path.is_absolute() else ROOT / path
    catalogue, findings = doctor_models.read_catalogue(path, settings.model)
    findings += doctor_models.check_models(catalogue, settings.model, locate_on_disk)
    wanted = catalogue.get(settings.model)
    if wanted is not None:
        folder = find_model(wanted, cache_dir)
        findings += _fit(settings, probe, wanted, folder)
        findings.append(
            doctor_models.check_disk(doctor_models.hub_cache(), wanted, on_disk=folder is not None)
        )
    return findings + doctor_models.check_conversion(catalogue)


def _fit(
    settings: Settings, probe: RealProbe, wanted: ModelSpec, folder: Path | None
) -> list[Finding]:
    try:
        machine = plan_machine(settings, usable_cpu_count(), probe)
    except EngineError as error:
        if error.code == "bad_compute_type":
            return [problem("compute type", error.message, "--compute-type auto")]
        return []  # the checks of the GPU said so
    fraction = settings.gpu_memory_fraction
    return doctor_models.check_fit(wanted, folder, machine, probe, fraction)
