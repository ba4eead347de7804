"""A CTranslate2 folder with the small files that it came without.

The folders of the Hugging Face cache and of an operator are not written to: what lacks something
gets a folder of ours, with links to what it has and the rest made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from asr.embedded_model import embedded_file
from asr.engine import EngineError
from asr.model_files import (
    CT2_WEIGHTS,
    PREPROCESSOR,
    TOKENIZER,
    VOCABULARIES,
    has_any,
    preprocessor_text,
    read,
    read_tokens,
    read_vocabulary,
)
from asr.placing import locked, making, move_into_place, placing_error, remove_leavings
from asr.types import ModelSpec
from asr.weight_files import ct2_weights

PREPARED: Final = "prepared"
"""The folder of these folders in the cache."""


def embedded_tokenizer() -> Path:
    """The tokenizer of every multilingual Whisper before large-v3."""
    return embedded_file(TOKENIZER)


def prepare_model_dir(
    spec: ModelSpec,
    folder: Path,
    cache_dir: Path,
    known_tokenizer: Callable[[], Path] = embedded_tokenizer,
) -> Path:
    """The folder itself, or one of ours with `tokenizer.json` and `preprocessor_config.json` added.

    Blocking, tenths of a second. Says nothing of what else may be wrong: `check_model_dir` does.
    Raises EngineError: `model_incomplete` where no tokenizer is known to fit, `disk_full`,
    `cache_failed`.
    """
    if spec.embedded or not _can_be_completed(folder):
        return folder
    lacking = [name for name in (TOKENIZER, PREPROCESSOR) if not (folder / name).is_file()]
    if not lacking:
        return folder
    ours = cache_dir / PREPARED / f"{spec.repo.replace('/', '--')}-{_digest(folder)}"
    try:
        with locked(ours, threading.Event()):
            if not _is_whole(ours, folder):
                remove_leavings(ours.parent)
                _make(folder, lacking, ours, known_tokenizer)
    except OSError as error:
        raise placing_error(error, cache_dir) from error
    return ours


def _can_be_completed(folder: Path) -> bool:
    return has_any(folder, CT2_WEIGHTS) and has_any(folder, VOCABULARIES)


def _make(
    folder: Path, lacking: list[str], ours: Path, known_tokenizer: Callable[[], Path]
) -> None:
    with making(ours) as made:
        made.mkdir(parents=True)
        if TOKENIZER in lacking:
            shutil.copyfile(_fitting(known_tokenizer(), folder), made / TOKENIZER)
        if PREPROCESSOR in lacking:
            weights = read(folder / "model.bin", ct2_weights)
            if weights is not None:
                text = preprocessor_text(weights.n_mels)
                (made / PREPROCESSOR).write_text(text, encoding="utf-8")
        for path in folder.iterdir():
            if path.is_file():
                _link(path.resolve(), made / path.name)
        move_into_place(made, ours)


def _fitting(tokenizer: Path, folder: Path) -> Path:
    """The tokenizer, if it has the very tokens of this model's vocabulary."""
    problem = read_tokens(tokenizer).problem_with(read_vocabulary(folder))
    if problem is None:
        return tokenizer
    raise EngineError(
        "model_incomplete",
        f"{folder} lacks {TOKENIZER}, and the built-in one does not fit ({problem}); put the one "
        "of the model it was converted from there",
    )


def _link(source: Path, target: Path) -> None:
    """Without a second copy of the weights where that can be: Windows may forbid symbolic links."""
    for link in (os.symlink, os.link):
        try:
            link(source, target)
        except OSError:
            continue
        return
    shutil.copyfile(source, target)


def _is_whole(ours: Path, folder: Path) -> bool:
    """Whether every file of the folder is there with its size, and the tokenizer."""
    try:
        sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
        return (ours / TOKENIZER).is_file() and all(
            (ours / name).stat().st_size == size for name, size in sizes.items()
        )
    except OSError:
        return False


def _digest(folder: Path) -> str:
    """Of where the folder is and of its files' sizes and times: another one when they change."""
    found = sorted(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    )
    return hashlib.sha256(repr((str(folder.resolve()), found)).encode()).hexdigest()[:12]
