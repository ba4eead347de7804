"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def thai_eval_dir() -> Path:
    """The folder of human Thai speech, or a skip that says where it is looked for."""
    folder = Path(os.environ.get("THAI_EVAL_DIR", ROOT.parent / "shared" / "thai_eval"))
    if not (folder / "dev.jsonl").is_file():
        pytest.skip(f"no Thai evaluation audio at {folder} (set THAI_EVAL_DIR)")
    return folder
