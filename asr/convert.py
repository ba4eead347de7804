"""Models of the transformers library made ready for CTranslate2: once, in a process of its own.

Kept by source revision and weight type, so that another revision or another machine setting never
meets an old conversion.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from asr.convert_process import Bounds, Told, Usage, child_environment, run_bounded
from asr.engine import EngineError
from asr.model_files import (
    PREPROCESSOR,
    check_ct2_folder,
    check_transformers_folder,
    preprocessor_text,
)
from asr.placing import locked, making, move_into_place, placing_error, remove_leavings
from asr.transfer import Transfer, TransferMeter
from asr.types import ModelSpec
from asr.weight_files import Weights

CONVERTED: Final = "converted"
"""The folder of conversions in the cache."""

MARKER: Final = "conversion.json"
"""File of a conversion, written last: what it was made from, and the size of every file."""

CHILD: Final = Path(__file__).with_name("convert_child.py")

DEFAULT_TIMEOUT_S: Final = 3_600.0
DEFAULT_THREADS: Final = 1
"""Conversion is copying and rounding; a second thread would take a core from who speaks."""

BASE_MB: Final = 1_500
PER_WEIGHT: Final = 2.5
MACHINE_PART: Final = 0.8

BYTES_OF: Final = {
    "int8": 1,
    "int8_float32": 1,
    "int8_float16": 1,
    "int8_bfloat16": 1,
    "int16": 2,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
}
"""Bytes of a weight in a file, by quantisation. A compute type is the name of a quantisation: in
the file the weights are what the engine computes with, so that nothing is rounded at each load and
the file is as small as can be (CTranslate2 would turn any type into any other as it loads)."""

FALLBACK: Final = "float16"
"""For a compute type that is no quantisation: every device can load it, and it loses nothing."""

SPARE_BYTES: Final = 200_000_000
"""Of disk beyond the weights: tokenizer, vocabulary, and what else needs some room meanwhile."""

NEEDS_PACKAGES: Final = (
    "{id} has to be converted for CTranslate2 once, and the packages for that (torch, "
    "transformers) are not installed or not usable; run: "
    "python realtime_thai_asr_server.py --convert {id}"
)

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_READ: Final = ("*.json", "*.txt")
_WEIGHED: Final = ("*.safetensors",)


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class _Job:
    """One conversion: from where, to where, of what."""

    spec: ModelSpec
    source: Path
    key: str
    folder: Path


class Converter:
    """Converts models and finds what was converted. Holds nothing: any thread, any number."""

    def __init__(
        self,
        *,
        cache_dir: Path,
        compute_type: str,
        python: Path | None,
        memory_limit_mb: int | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        threads: int = DEFAULT_THREADS,
        child: Path = CHILD,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`python` has torch and transformers (None: there is none); the rest are bounds.

        Without `memory_limit_mb` it is `default_memory_mb`. `child` is the script that converts,
        `free_bytes` says what room there is on a folder's disk.
        """
        self._cache_dir = cache_dir
        self._quantization = quantization_of(compute_type)
        self._python = python
        self._memory_limit_mb = memory_limit_mb
        self._timeout_s = timeout_s
        self._threads = threads
        self._child = child
        self._free_bytes = free_bytes

    def find(self, spec: ModelSpec, source: Path) -> Path | None:
        """An earlier conversion of exactly this source and weight type, complete."""
        try:
            job = self._job(spec, source)
        except OSError:
            return None
        return job.folder if _is_whole(job.folder, job.key) else None

    def convert(
        self,
        spec: ModelSpec,
        source: Path,
        on_progress: Callable[[Transfer], None],
        cancelled: threading.Event,
    ) -> Path:
        """The folder of the converted model, made unless it was (blocking, minutes).

        Progress counts the bytes of the source, then those written. Raises EngineError:
        `needs_convert_packages`, `conversion_failed`, `conversion_timeout`, `out_of_memory`,
        `disk_full`, `cache_failed`, `cancelled`, `unsafe_format`, `model_incomplete`,
        `model_misfit`.
        """
        try:
            job = self._job(spec, source)
            if _is_whole(job.folder, job.key):
                return job.folder
            weights = check_transformers_folder(source)
            if self._python is None:
                raise EngineError("needs_convert_packages", "")
            with locked(job.folder, cancelled):
                if not _is_whole(job.folder, job.key):  # another process may have been faster
                    remove_leavings(job.folder.parent)
                    self._make(job, weights, self._python, on_progress, cancelled)
        except OSError as error:
            raise placing_error(error, self._cache_dir) from error
        except EngineError as error:
            raise EngineError(error.code, _with_advice(error, spec)) from error
        return job.folder

    def _job(self, spec: ModelSpec, source: Path) -> _Job:
        key = source_key(source)
        name = f"{spec.repo.replace('/', '--')}-{_short(key)}-{self._quantization}"
        return _Job(spec, source, key, self._cache_dir / CONVERTED / name)

    def _make(
        self,
        job: _Job,
        weights: Weights,
        python: Path,
        on_progress: Callable[[Transfer], None],
        cancelled: threading.Event,
    ) -> None:
        written_bytes = weights.parameters * BYTES_OF[self._quantization]
        self._check_disk(job.folder.parent, written_bytes)
        with making(job.folder) as made:
            progress = _Progress(made, weights.size_bytes, written_bytes, on_progress)
            self._run(job, weights, python, progress, cancelled)
            _add_preprocessor(job.source, made, weights)
            check_ct2_folder(made)
            _mark(made, job.key)
            move_into_place(made, job.folder)
        progress.finished()

    def _run(
        self,
        job: _Job,
        weights: Weights,
        python: Path,
        progress: _Progress,
        cancelled: threading.Event,
    ) -> Usage:
        request = {
            "source": str(job.source),
            "target": str(progress.made),
            "quantization": self._quantization,
            "vocab_size": weights.vocab_size,
            "threads": self._threads,
        }
        limit_mb = self._memory_limit_mb or default_memory_mb(weights.size_bytes)
        return run_bounded(
            # isolated (-I): this project's modules would hide the library's, `types` for one
            [str(python), "-I", "-u", "-X", "utf8", str(self._child), json.dumps(request)],
            child_environment(self._threads),
            bounds=Bounds(limit_mb, self._timeout_s),
            cancelled=cancelled,
            heard=progress.heard,
            tick=progress.tick,
        )

    def _check_disk(self, place: Path, written_bytes: int) -> None:
        needed, free = written_bytes + SPARE_BYTES, self._free_bytes(place)
        if free < needed:
            raise EngineError(
                "disk_full",
                f"the conversion needs {needed / 1e6:.0f} MB at {place}, where "
                f"{free / 1e6:.0f} MB are free",
            )


class _Progress:
    """From what the child says and has written to a Transfer."""

    def __init__(
        self,
        made: Path,
        source_bytes: int,
        written_bytes: int,
        on_progress: Callable[[Transfer], None],
    ) -> None:
        self.made = made
        self._source_bytes = source_bytes
        self._total_bytes = source_bytes + written_bytes
        self._read_bytes = 0
        self._on_progress = on_progress
        self._meter: TransferMeter | None = None

    def heard(self, told: Told) -> None:
        """The weights are in memory once they are quantised."""
        if told.get("phase") in ("quantizing", "written"):
            self._read_bytes = self._source_bytes
        self.tick()

    def tick(self) -> None:
        """Look at the file that grows. Before there is one, nothing can be said of a rate."""
        file = self.made / "model.bin"
        if not file.is_file():
            self._on_progress(Transfer(self._read_bytes, self._total_bytes))
            return
        done = min(self._total_bytes, self._read_bytes + file.stat().st_size)
        now_s = time.monotonic()
        if self._meter is None:
            self._meter = TransferMeter(done, self._total_bytes, now_s)
        self._on_progress(self._meter.at(done, now_s))

    def finished(self) -> None:
        """All of it."""
        self._on_progress(Transfer(self._total_bytes, self._total_bytes))


def quantization_of(compute_type: str) -> str:
    """The converter's word for an engine's compute type."""
    return compute_type if compute_type in BYTES_OF else FALLBACK


def default_memory_mb(weights_bytes: int) -> int:
    """What a conversion may use: twice its weights with room to spare, less on a small machine.

    1500 MB for the libraries and 2.5 times the weights' size, but at most 80 % of the machine's
    memory. It is where something has gone wrong, not what is needed (docs/conversion.md).
    """
    wanted_mb = BASE_MB + PER_WEIGHT * weights_bytes / 1e6
    return round(min(wanted_mb, MACHINE_PART * psutil.virtual_memory().total / 1e6))


def source_key(source: Path) -> str:
    """Names the content of a source: its commit, or a digest for a folder of the operator.

    The digest is of the small files and of the weights' sizes and times. Raises OSError.
    """
    if source.parent.name == "snapshots" and _COMMIT.fullmatch(source.name):
        return source.name
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _READ for path in source.glob(pattern)):
        digest.update(repr((path.name, path.read_bytes())).encode())
    for path in sorted(path for pattern in _WEIGHED for path in source.glob(pattern)):
        facts = path.stat()
        digest.update(repr((path.name, facts.st_size, facts.st_mtime_ns)).encode())
    return f"files-{digest.hexdigest()}"


def _short(key: str) -> str:
    return key.removeprefix("files-")[:12]


def _is_whole(folder: Path, key: str) -> bool:
    """Whether it was made from this source, to its end, and not cut since."""
    try:
        marker: dict[str, Any] = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return marker["made_from"] == key and all(
            (folder / name).stat().st_size == size for name, size in marker["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _mark(made: Path, key: str) -> None:
    sizes = {path.name: path.stat().st_size for path in made.iterdir()}
    text = json.dumps({"made_from": key, "files": sizes}, indent=2)
    (made / MARKER).write_text(text, encoding="utf-8")


def _add_preprocessor(source: Path, made: Path, weights: Weights) -> None:
    """The source's own, which was checked, or one made for its mel bands."""
    if (source / PREPROCESSOR).is_file():
        shutil.copyfile(source / PREPROCESSOR, made / PREPROCESSOR)
    else:
        (made / PREPROCESSOR).write_text(preprocessor_text(weights.n_mels), encoding="utf-8")


def _with_advice(error: EngineError, spec: ModelSpec) -> str:
    match error.code:
        case "needs_convert_packages":
            reason = f" ({error.message})" if error.message else ""
            return NEEDS_PACKAGES.format(id=spec.id) + reason
        case "out_of_memory":
            return f"{error.message}; close other programs, or convert on a larger machine"
        case "disk_full":
            return f"{error.message}; make room, or set THAI_ASR_CACHE_DIR"
    return error.message
