"""Which Python can convert."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from asr.convert_packages import find_convert_python, side_python

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are shell scripts"),
    pytest.mark.skipif(find_spec("torch") is not None, reason="torch is in this environment"),
]


def stand_in(root: Path, status: int) -> Path:
    """A Python of the side venv that answers any question with this exit status."""
    python = side_python(root)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$@" > {root}/asked\nexit {status}\n', encoding="utf-8")
    python.chmod(0o755)
    return python


def test_without_a_side_venv_and_torch_there_is_none(tmp_path: Path) -> None:
    assert find_convert_python(tmp_path) is None


def test_the_side_venv_is_taken_if_it_has_the_packages(tmp_path: Path) -> None:
    python = stand_in(tmp_path, 0)
    assert find_convert_python(tmp_path) == python
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert "torch transformers" in asked


def test_a_side_venv_without_them_is_not(tmp_path: Path) -> None:
    stand_in(tmp_path, 1)
    assert find_convert_python(tmp_path) is None


def test_a_side_venv_that_does_not_run_is_not(tmp_path: Path) -> None:
    stand_in(tmp_path, 0).write_bytes(b"\x7fELF and no more")
    assert find_convert_python(tmp_path) is None


def test_the_question_is_one_that_a_python_answers(tmp_path: Path) -> None:
    """This one, which has no torch."""
    python = side_python(tmp_path)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert find_convert_python(tmp_path) is None
