"""What is said about an NVIDIA card, with a stand-in for the driver's tool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import find_gpu

ONE = "GPU 0: NVIDIA GeForce RTX 3070 (UUID: GPU-1234)"
TWO = f"{ONE}\nGPU 1: Tesla T4 (UUID: GPU-5678)"
NO_VENV = Path("nowhere")
NO_DRIVER = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def add_tool(folder: Path, script: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PROGRAMFILES", raising=False)
    return tmp_path / "bin"


def test_without_the_tool_there_is_no_card(path: Path) -> None:
    assert find_gpu.in_words(NO_VENV) == find_gpu.NONE


@pytest.mark.parametrize(
    ("said", "names"),
    [(ONE, "NVIDIA GeForce RTX 3070"), (TWO, "NVIDIA GeForce RTX 3070, Tesla T4")],
)
def test_cards_are_named_and_what_they_take(path: Path, said: str, names: str) -> None:
    add_tool(path, f"echo '{said}'")
    assert f"NVIDIA card: {names}. " in find_gpu.in_words(NO_VENV)
    assert "CUDA 12" in find_gpu.in_words(NO_VENV)
    command = r".venv\Scripts\pip" if os.name == "nt" else ".venv/bin/pip"
    assert f"{command} install -r requirements_gpu.txt" in find_gpu.in_words(NO_VENV)


@pytest.mark.parametrize("place", ["lib/python3.12/site-packages", "Lib/site-packages"])
def test_installed_libraries_are_not_asked_for_again(
    path: Path, tmp_path: Path, place: str
) -> None:
    (tmp_path / "venv" / place / "nvidia" / "cublas").mkdir(parents=True)
    add_tool(path, f"echo '{ONE}'")
    assert find_gpu.in_words(tmp_path / "venv") == find_gpu.READY.format("NVIDIA GeForce RTX 3070")


@pytest.mark.parametrize(
    "script", [f'echo "{NO_DRIVER}"; exit 9', "exit 6", "printf '\\377\\376'", "exec /nowhere/x"]
)
def test_a_tool_that_finds_none_is_no_failure(path: Path, script: str) -> None:
    add_tool(path, script)
    assert find_gpu.in_words(NO_VENV) == find_gpu.BROKEN


def test_a_tool_that_cannot_run_is_no_failure(path: Path) -> None:
    add_tool(path, "")
    (path / "nvidia-smi").write_bytes(b"\0")
    assert find_gpu.in_words(NO_VENV) == find_gpu.BROKEN


def test_a_tool_that_hangs_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tool(path, "exec /usr/bin/tail -f /dev/null")
    monkeypatch.setattr(find_gpu, "LIMIT_S", 0.05)
    assert find_gpu.in_words(NO_VENV) == find_gpu.BROKEN


def test_an_old_driver_on_windows_keeps_it_off_the_path(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path / "Program Files"))
    add_tool(tmp_path / "Program Files" / "NVIDIA Corporation" / "NVSMI", f"echo '{ONE}'")
    assert "RTX 3070" in find_gpu.in_words(NO_VENV)
