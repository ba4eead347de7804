"""What lies beside the entry script, or is named by the user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from asr.catalogue import Catalogue, load_catalogue
from asr.catalogue_local import with_local_model
from server.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the entry script."""

SERVER_SCRIPT: Final = "realtime_thai_asr_server.py"


def resource(name: str) -> Path:
    """A file named by the user, or the one of that name beside the entry script."""
    path = Path(name)
    return path if path.exists() or path.is_absolute() else ROOT / path


def catalogue_of(settings: Settings) -> Catalogue:
    """The models that can be chosen. Raises CatalogueError, EngineError."""
    catalogue = load_catalogue(resource(settings.models_file))
    if settings.model_path:
        return with_local_model(catalogue, Path(settings.model_path))
    return catalogue


def command_line(script: str) -> str:
    """How to run another script of this folder with this Python, from the current folder."""
    parts = (Path(sys.executable), ROOT / script)
    here = Path.cwd()
    shown = (part.relative_to(here) if part.is_relative_to(here) else part for part in parts)
    return " ".join(f'"{part}"' if " " in str(part) else str(part) for part in shown)
