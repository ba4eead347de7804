"""Files beside the entry script, and commands that a user can copy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from server.resources import ROOT, SERVER_SCRIPT, command_line, resource


def test_a_user_s_file_comes_first_then_the_one_beside_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resource("models.yaml") == ROOT / "models.yaml"
    (tmp_path / "models.yaml").write_text("")
    assert resource("models.yaml") == Path("models.yaml")
    assert resource("/nowhere/models.yaml") == Path("/nowhere/models.yaml")


def test_a_command_can_be_copied_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert command_line(SERVER_SCRIPT).endswith(f" {SERVER_SCRIPT}")
    assert (ROOT / SERVER_SCRIPT).is_file()
    monkeypatch.chdir(tmp_path)
    assert command_line(SERVER_SCRIPT).startswith(sys.executable)
    assert str(ROOT / SERVER_SCRIPT) in command_line(SERVER_SCRIPT)
