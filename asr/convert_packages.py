"""Which Python can convert models: the server's own venv has no torch, one beside it may."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

SIDE_VENV: Final = ".venv-convert"
"""Beside the entry script. On its own, so that torch and the server never disturb each other."""

PACKAGES: Final = ("torch", "transformers", "tokenizers", "safetensors", "ctranslate2", "numpy")

_LOOK_LIMIT_S: Final = 30.0
_LOOK: Final = (
    "import sys; from importlib.util import find_spec; "
    "sys.exit(not all(map(find_spec, sys.argv[1:])))"
)


def side_python(root: Path) -> Path:
    """Where the interpreter of the side venv is, if there is one. `root`: the entry script's."""
    return root / SIDE_VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_convert_python(root: Path) -> Path | None:
    """The side venv's Python if the packages are there, else this one if it has them, else None.

    Imports none of them: torch would stay in the server's memory.
    """
    python = side_python(root)
    if python.is_file() and _has_packages(python):
        return python
    if all(find_spec(name) is not None for name in PACKAGES):
        return Path(sys.executable)
    return None


def _has_packages(python: Path) -> bool:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _LOOK, *PACKAGES],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOOK_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
