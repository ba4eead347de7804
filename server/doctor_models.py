"""`--doctor`: the catalogue, its models on disk, what they need, and where they are kept."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import constants

from asr.catalogue import Catalogue, CatalogueError, load_catalogue
from asr.device import DeviceProbe
from asr.engine import EngineError
from asr.locate import check_model_dir
from asr.memory_rule import Fit, estimate_mb, in_gb, judge
from asr.types import ModelFormat, ModelSpec
from server.engines import Machine
from server.findings import Finding, note, ok, problem, warning
from server.package_check import ROOT, command, install

SERVER = ROOT / "realtime_thai_asr_server.py"
SPARE_MB = 500
"""Beside a model's files: for logs and what is made of it."""
LIKELY_MODEL_MB = 3_100
WALK_LIMIT_S = 3.0
CONVERSION_PACKAGES = ("torch", "transformers")

Locate = Callable[[ModelSpec], Path | None]


def read_catalogue(path: Path, wanted: str) -> tuple[Catalogue, list[Finding]]:
    """The catalogue, empty if it cannot be read, and what is to be said of it."""
    try:
        catalogue = load_catalogue(path)
    except CatalogueError as error:
        return {}, [problem("models.yaml", str(error), "correct that line")]
    if wanted not in catalogue:
        known = ", ".join(catalogue)
        return catalogue, [
            problem("models.yaml", f"no model is called {wanted!r}", f"--model, one of {known}")
        ]
    return catalogue, [ok("models.yaml", f"{len(catalogue)} models")]


def check_models(catalogue: Catalogue, wanted: str, locate: Locate) -> list[Finding]:
    """Which models are on disk, and whether they can be loaded."""
    findings = []
    for spec in catalogue.values():
        if spec.embedded:
            continue
        folder = locate(spec)
        if folder is not None:
            findings.append(_on_disk(spec, folder))
        elif spec.id == wanted:
            findings.append(
                note(
                    f"model {spec.id}",
                    "is wanted and not on disk: until it is, the built-in one answers",
                    command(str(SERVER), "--download", spec.id),
                )
            )
    return findings


def _on_disk(spec: ModelSpec, folder: Path) -> Finding:
    what = f"model {spec.id}"
    try:
        check_model_dir(folder)
    except EngineError as error:
        advice = error.message
        if error.code == "needs_conversion":
            advice = command(str(SERVER), "--convert", spec.id)
        return warning(what, f"on disk, and cannot be loaded ({error.code})", advice)
    return ok(what, f"on disk, {in_gb(weights_bytes(folder) >> 20)} ({folder})")


def check_fit(
    spec: ModelSpec, folder: Path | None, machine: Machine, probe: DeviceProbe, fraction: float
) -> list[Finding]:
    """The rule of admission for the wanted model, with its estimate."""
    memory = probe.memory(machine.device)
    if memory is None:
        return [
            note("memory rule", f"{machine.device}: cannot be told, so every model is admitted")
        ]
    size = weights_bytes(folder) if folder is not None else 0
    needed_mb = estimate_mb(spec, size, machine.device, machine.compute_type, machine.max_batch)
    if needed_mb == 0:  # nothing is known of it
        return []
    verdict = judge(needed_mb, 0, memory.free_mb, memory.total_mb, fraction)
    what = f"memory rule, {spec.id} on {machine.device} ({machine.compute_type})"
    if verdict.fit is Fit.NOT_AT_ALL:
        return [warning(what, verdict.message, "--model whisper-base, or as said")]
    return [ok(what, verdict.message)]


def weights_bytes(folder: Path) -> int:
    """The size of a model's weights, 0 if there are none."""
    try:
        return (folder / "model.bin").stat().st_size
    except OSError:
        return 0


def check_conversion(catalogue: Catalogue) -> list[Finding]:
    """The packages that models of another format are converted with."""
    if not any(spec.format is ModelFormat.TRANSFORMERS for spec in catalogue.values()):
        return []
    missing = [name for name in CONVERSION_PACKAGES if find_spec(name) is None]
    if not missing:
        return [ok("conversion", "torch and transformers are installed")]
    return [
        note(
            "conversion",
            f"{' and '.join(missing)} not installed; only models that have to be converted need "
            "them (pathumma-large, for instance)",
            f"when you want one: {install(requirements='requirements_convert.txt')}",
        )
    ]


def check_folder(what: str, folder: Path, *, needed: bool) -> Finding:
    """Whether a cache can be written, and how large it is."""
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        words = f"{folder} cannot be written ({error.strerror or error})"
        if needed:
            return problem(what, words, "set THAI_ASR_CACHE_DIR to a folder that can be written")
        return warning(what, words, "set HF_HOME to a folder that can be written, for downloads")
    size_mb, whole = _size_mb(folder)
    return ok(what, f"{folder}, {'' if whole else 'more than '}{in_gb(size_mb)}")


def check_disk(folder: Path, wanted: ModelSpec | None, *, on_disk: bool) -> Finding:
    """Free space where models go, against the wanted one."""
    free_mb = shutil.disk_usage(_nearest(folder)).free >> 20
    words = f"{in_gb(free_mb)} free for models"
    if on_disk or wanted is None or wanted.embedded:
        needed_mb = SPARE_MB
    else:
        needed_mb = (wanted.size_mb or LIKELY_MODEL_MB) + SPARE_MB
        words += f"; {wanted.id} needs up to {in_gb(needed_mb)}"
    if free_mb < needed_mb:
        return warning("disk", words, "make room, or set HF_HOME to a folder on another disk")
    return ok("disk", words)


def hub_cache() -> Path:
    """Where huggingface_hub keeps downloads (HF_HOME, HF_HUB_CACHE)."""
    return Path(constants.HF_HUB_CACHE)


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest place above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _size_mb(folder: Path) -> tuple[int, bool]:
    """Size of all files (links not followed), and whether there was time to see them all."""
    deadline_s = time.monotonic() + WALK_LIMIT_S
    size = 0
    for place, _, names in os.walk(folder):
        if time.monotonic() > deadline_s:
            return size >> 20, False
        for name in names:
            try:
                size += (Path(place) / name).lstat().st_size
            except OSError:  # it went away meanwhile
                continue
    return size >> 20, True
