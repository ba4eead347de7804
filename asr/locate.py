"""Where a model lies on this machine. Never asks the network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from huggingface_hub import try_to_load_from_cache

from asr.embedded_model import ensure_embedded_model
from asr.engine import EngineError
from asr.model_files import (
    CT2_WEIGHTS,
    PICKLED_WEIGHTS,
    SAFE_WEIGHTS,
    check_ct2_folder,
    has_any,
    unsafe_format,
)
from asr.types import ModelFormat, ModelSpec

logger = logging.getLogger(__name__)

_WEIGHTS: Final = {
    ModelFormat.CT2: CT2_WEIGHTS,
    # pickled ones are found only to be refused with a reason
    ModelFormat.TRANSFORMERS: (*SAFE_WEIGHTS, *PICKLED_WEIGHTS),
}


def find_model(spec: ModelSpec, cache_dir: Path, hub_cache_dir: Path | None = None) -> Path | None:
    """The folder of a model's files, None if its weights are not on this machine.

    A model with a `path` is looked for there only, any other in the Hugging Face cache (HF_HOME,
    HF_HUB_CACHE; `hub_cache_dir` instead) at its revision. The embedded model is made in `cache_dir` at its first use,
    which takes seconds, and an EngineError is raised where that fails. Whether the files are fit
    to load is for `check_model_dir` to say.
    """
    if spec.embedded:
        return ensure_embedded_model(cache_dir)
    if spec.path is not None:
        folder = Path(spec.path)
        return folder if folder.is_dir() else None
    for name in _WEIGHTS[spec.format]:
        found = try_to_load_from_cache(
            spec.repo, name, cache_dir=hub_cache_dir, revision=spec.revision
        )
        if isinstance(found, str):
            return Path(found).parent
    return None


def sizes_mb(
    specs: Iterable[ModelSpec], locate: Callable[[ModelSpec], Path | None]
) -> dict[str, int | None]:
    """The models that are on disk, by id, with the size of their files in millions of bytes.

    None where the files cannot be read. Blocking.
    """
    found: dict[str, int | None] = {}
    for spec in specs:
        try:
            folder = locate(spec)
        except OSError as error:
            logger.warning("%s cannot be looked for: %s", spec.id, error)
            continue
        if folder is not None:
            found[spec.id] = _size_mb(folder)
    return found


def _size_mb(folder: Path) -> int | None:
    try:
        return round(sum(f.stat().st_size for f in folder.iterdir() if f.is_file()) / 1e6)
    except OSError as error:
        logger.warning("%s cannot be read: %s", folder, error)
        return None


def format_of(folder: Path) -> ModelFormat | None:
    """How the weights in a folder are stored; None where there are none. CTranslate2's go first."""
    return next((kind for kind, names in _WEIGHTS.items() if has_any(folder, names)), None)


def check_model_dir(path: Path) -> None:
    """Refuse a folder that CTranslate2 cannot load, or that would be decoded wrongly.

    Raises EngineError `needs_conversion`, `unsafe_format`, `model_incomplete` or `model_misfit`.
    """
    if not has_any(path, CT2_WEIGHTS):
        if has_any(path, SAFE_WEIGHTS):
            raise EngineError(
                "needs_conversion",
                f"{path} holds weights of the transformers library, which have to be converted "
                "for CTranslate2 once: python realtime_thai_asr_server.py --convert ID",
            )
        if has_any(path, PICKLED_WEIGHTS):
            raise unsafe_format(path)
    check_ct2_folder(path)
