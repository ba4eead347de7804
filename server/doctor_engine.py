"""`--doctor`: whether the recogniser works, on the processor and on an NVIDIA card."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asr.cuda_libraries import CudaLibraries
from asr.device import DeviceProbe, resolve_compute_type, resolve_device
from asr.embedded_model import ensure_embedded_model
from asr.engine import EngineError
from asr.memory_rule import in_gb
from asr.nvidia_smi import Card, dotted
from asr.trial_decode import AUDIO_S
from server.child import ChildResult, last_line, run_python
from server.findings import Finding, note, ok, problem, warning
from server.package_check import install

CPU_LIMIT_S = 20.0
GPU_LIMIT_S = 25.0

Run = Callable[[Sequence[str], float], ChildResult]


def run_trial(arguments: Sequence[str], limit_s: float) -> ChildResult:
    """A trial decode in a process of its own, which tells what CTranslate2 chose."""
    return run_python(["-m", "asr.trial_decode", *arguments], limit_s, {"CT2_VERBOSE": "1"})


def check_cpu_decode(cache_dir: Path, run: Run = run_trial) -> Finding:
    """One real decode of the built-in model on the processor."""
    what = "decode on the CPU"
    try:
        folder = ensure_embedded_model(cache_dir)
    except EngineError as error:
        return problem(what, "the built-in model is not ready", error.message)
    result = run([str(folder), "cpu", "int8"], CPU_LIMIT_S)
    report, why = _report(result)
    if report is None:
        return problem(
            what, why, "install the packages again; if that does not help, report it with all this"
        )
    instructions = _instructions(result.errors)
    words = f"{_in_words(report)}{instructions}"
    if "GENERIC" in instructions:
        return warning(what, words, "this processor lacks AVX: expect little")
    return ok(what, words)


def check_gpu(
    probe: DeviceProbe, libraries: Callable[[], CudaLibraries], wanted: str = "auto"
) -> list[Finding]:
    """Card, driver and CUDA libraries, as far as they can be told without a decode."""
    cards = probe.cards()
    findings = [ok("NVIDIA card", _card_in_words(card)) for card in cards]
    if not cards and probe.cuda_device_count() == 0:
        if wanted == "cuda":
            return [problem("NVIDIA card", "none was found", "--device cpu or auto")]
        return [note("NVIDIA card", "none was found: the server runs on the CPU")]
    if probe.cuda_device_count() == 0:
        reason = resolve_device("auto", probe).reason
        return [*findings, _worse(wanted)("CUDA", reason, "update the NVIDIA driver")]
    found = libraries()
    if found.problem:
        return [*findings, _worse(wanted)("CUDA libraries", found.problem, install_gpu())]
    return [*findings, ok("CUDA libraries", ", ".join(found.opened))]


def check_gpu_decode(
    probe: DeviceProbe, cache_dir: Path, wanted_type: str, run: Run = run_trial
) -> list[Finding]:
    """One real decode on the card, if it can be used."""
    what = "decode on the GPU"
    if resolve_device("auto", probe).device != "cuda":
        return []
    try:
        compute_type = resolve_compute_type(wanted_type, "cuda", probe)
        folder = ensure_embedded_model(cache_dir)
    except EngineError as error:
        return [problem(what, error.message, "--compute-type auto")]
    report, why = _report(run([str(folder), "cuda", compute_type], GPU_LIMIT_S))
    if report is None:
        advice = f"update the NVIDIA driver, then {install_gpu()}; until then --device cpu"
        return [problem(what, f"{compute_type}: {why}", advice)]
    return [ok(what, _in_words(report))]


def install_gpu() -> str:
    """The command that installs the CUDA libraries."""
    return install(requirements="requirements_gpu.txt")


def _worse(wanted: str) -> Callable[[str, str, str], Finding]:
    """A card that cannot be used is a problem for who insists on it."""
    return problem if wanted == "cuda" else warning


def _report(result: ChildResult) -> tuple[dict[str, Any] | None, str]:
    """The child's report, or why there is none."""
    if result.ending:
        said = last_line(result.errors)
        return None, f"{result.ending}{': ' if said else ''}{said}"
    try:
        report: dict[str, Any] = json.loads(last_line(result.output))
    except ValueError:
        return None, last_line(result.errors) or "the child said nothing"
    if "error" in report:
        return None, str(report["error"])
    return report, ""


def _in_words(report: dict[str, Any]) -> str:
    memory = "" if report["taken_mb"] is None else f", takes {in_gb(report['taken_mb'])}"
    return (
        f"{AUDIO_S:.0f} s of audio in {report['decode_s']:.2f} s "
        f"(RTF {report['decode_s'] / AUDIO_S:.2f}), {report['compute_type']}, "
        f"loaded in {report['load_s']:.1f} s{memory}"
    )


def _instructions(log: str) -> str:
    """What CTranslate2 says it computes with: AVX2 and the like."""
    found = re.search(r"Selected ISA: (\w+)", log)
    return f", {found[1]}" if found else ""


def _card_in_words(card: Card) -> str:
    parts = [card.name]
    if card.total_mb is not None and card.free_mb is not None:
        parts.append(f"{in_gb(card.free_mb)} of {in_gb(card.total_mb)} free")
    if card.driver:
        parts.append(f"driver {card.driver}")
    if card.capability is not None:
        parts.append(f"compute capability {dotted(card.capability)}")
    return ", ".join(parts)
