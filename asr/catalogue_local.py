"""A model in a folder of this machine, without an entry in `models.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from asr.catalogue import Catalogue
from asr.engine import EngineError
from asr.locate import format_of
from asr.types import LOCAL_ID, ModelFormat, ModelSpec

LOCAL_TIER: Final = "local"


def with_local_model(catalogue: Catalogue, path: Path) -> Catalogue:
    """The catalogue and, after its entries, the model in a folder as `local`.

    Looks into the folder; whether its files are complete is said when it is loaded. Raises
    EngineError `bad_model_path` with what to do.
    """
    folder = path.expanduser().absolute()
    try:
        found = _format(folder)
    except OSError as error:
        raise _unusable(f"{folder} cannot be read: {error.strerror}") from error
    if LOCAL_ID in catalogue:
        raise _unusable(
            f"the catalogue has a model {LOCAL_ID!r} already, which is the id of the one in "
            "--model-path; rename it in models.yaml"
        )
    name = folder.name or LOCAL_ID
    spec = ModelSpec(
        id=LOCAL_ID,
        name=name,
        description="A model of this machine, given by --model-path.",
        repo=f"{LOCAL_ID}/{name}",
        format=found,
        tier=LOCAL_TIER,
        path=str(folder),
    )
    return {**catalogue, LOCAL_ID: spec}


def _format(folder: Path) -> ModelFormat:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise _unusable(f"{folder} {what}; --model-path takes the folder that holds model.bin")
    found = format_of(folder)
    if found is None:
        raise _unusable(
            f"{folder} holds no model: neither model.bin (CTranslate2) nor model.safetensors or "
            "pytorch_model.bin (transformers)"
        )
    return found


def _unusable(problem: str) -> EngineError:
    return EngineError("bad_model_path", problem)
