"""start_realtime_asr.sh as a newcomer meets it: a real venv and a real pip, one tiny wheel.

The only Python on the PATH is a stand-in that records its calls and hands over to this one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash")
STAMP = ".venv/installed-requirements.sha256"

SERVER = """\
import importlib.metadata, json, os, sys
print(json.dumps({
    "arguments": sys.argv[1:],
    "prefix": sys.prefix,
    "folder": os.getcwd(),
    "package": importlib.metadata.version("standin"),
}))
sys.exit(7 if "--fail" in sys.argv else 0)
"""

pytestmark = pytest.mark.skipif(BASH is None, reason="needs bash")


@dataclass(frozen=True)
class Started:
    """What a run of the script left behind."""

    status: int
    output: str
    errors: str

    @property
    def server(self) -> dict[str, Any]:
        """What the stand-in server printed about itself."""
        told: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return told


@dataclass(frozen=True)
class Project:
    """A copy of the start script with requirements and a server of its own."""

    folder: Path

    @property
    def bin(self) -> Path:
        """The only folder on the PATH."""
        return self.folder.parent / "bin"

    def require(self, version: str) -> None:
        """Make the requirements ask for a version of the one package."""
        wheel = make_wheel(self.folder.parent, version)
        (self.folder / "requirements_realtime.txt").write_text(wheel.as_uri() + "\n")

    def start(self, *arguments: str, cwd: Path | None = None) -> Started:
        """Run the start script."""
        assert BASH is not None
        done = subprocess.run(
            [BASH, str(self.folder / "start_realtime_asr.sh"), *arguments],
            cwd=cwd or self.folder.parent,
            env={"PATH": str(self.bin), "PIP_NO_INDEX": "1", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Started(done.returncode, done.stdout, done.stderr)

    def calls(self) -> list[str]:
        """The recorded calls of the stand-in Python, oldest first."""
        return (self.bin / "calls.txt").read_text().splitlines()


def make_wheel(folder: Path, version: str) -> Path:
    """A wheel with nothing but its metadata."""
    path = folder / f"standin-{version}-py3-none-any.whl"
    info = f"standin-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: standin\nVersion: {version}"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def stand_in(path: Path, script: str) -> None:
    """An executable that records its call, then runs `script`."""
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{path.parent}/calls.txt'\n{script}\n")
    path.chmod(0o755)


def make_project(parent: Path) -> Project:
    project = Project(parent / "โปรเจกต์ ของฉัน")
    shutil.copytree(ROOT / "scripts", project.folder / "scripts")
    shutil.copy(ROOT / "start_realtime_asr.sh", project.folder)
    (project.folder / "realtime_thai_asr_server.py").write_text(SERVER)
    project.bin.mkdir()
    for tool in ("cat", "dirname"):
        (project.bin / tool).symlink_to(str(shutil.which(tool)))
    project.require("1.0")
    return project


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Started]:
    """A project started once, from another folder."""
    project = make_project(tmp_path_factory.mktemp("first"))
    stand_in(project.bin / "python3", f'exec "{sys.executable}" "$@"')
    return project, project.start("--model", "a b", "ไทย", "", "--fail")


@pytest.fixture
def project(first: tuple[Project, Started], tmp_path: Path) -> Project:
    """A copy of that project after its first start."""
    shutil.copytree(first[0].folder.parent, tmp_path / "copy", symlinks=True)
    copy = Project(tmp_path / "copy" / first[0].folder.name)
    stand_in(copy.bin / "python3", f'exec "{sys.executable}" "$@"')
    return copy


def test_first_start_installs_into_the_venv_and_runs_the_server_there(
    first: tuple[Project, Started],
) -> None:
    project, started = first
    assert "Installing" in started.output, started.errors
    assert started.server["prefix"] == str(project.folder / ".venv")
    assert started.server["package"] == "1.0"
    assert (project.folder / STAMP).is_file()


def test_arguments_working_folder_and_exit_status_are_passed_through(
    first: tuple[Project, Started],
) -> None:
    project, started = first
    assert started.server["arguments"] == ["--model", "a b", "ไทย", "", "--fail"]
    assert started.server["folder"] == str(project.folder.parent)
    assert started.status == 7


def test_second_start_installs_nothing(project: Project) -> None:
    before = (project.folder / STAMP).stat().st_mtime_ns
    started = project.start(cwd=project.folder)
    assert started.status == 0, started.errors
    gpu, _server = started.output.splitlines()
    assert gpu == "No NVIDIA card was found: the server runs on the CPU."
    assert (project.folder / STAMP).stat().st_mtime_ns == before


def test_changed_requirements_are_installed(project: Project) -> None:
    project.require("2.0")
    started = project.start()
    assert "Installing" in started.output
    assert started.server["package"] == "2.0"
    assert "Installing" not in project.start().output


def test_failed_install_stops_and_is_repeated(project: Project) -> None:
    requirements = project.folder / "requirements_realtime.txt"
    good = requirements.read_text()
    requirements.write_text("no-such-package-here==1.0\n")
    for _ in range(2):
        started = project.start()
        assert started.status == 1
        assert "Installing" in started.output
        assert "No matching distribution found for no-such-package-here" in started.errors
        assert "installing failed" in started.errors
        assert "install.log" in started.errors
        log = (project.folder / ".venv" / "install.log").read_text(encoding="utf-8")
        assert "No matching distribution" in log
        assert not (project.folder / STAMP).exists()
    requirements.write_text(good)
    assert project.start().status == 0


@pytest.mark.parametrize("damage", ["interpreter", "pip"])
def test_broken_environment_is_mended(project: Project, damage: str) -> None:
    venv = project.folder / ".venv"
    if damage == "interpreter":  # its Python was removed from the machine
        (venv / "bin" / "python").unlink()
        (venv / "bin" / "python").symlink_to("/nowhere/python")
    else:  # interrupted between making the environment and giving it pip
        (venv / "installed-requirements.sha256").unlink()
        for part in venv.glob("lib/python*/site-packages/pip*"):
            shutil.rmtree(part)
    started = project.start()
    assert started.status == 0, started.errors
    assert "Installing" in started.output
    assert started.server["package"] == "1.0"


def test_a_newer_named_python_is_taken_before_an_old_python3(project: Project) -> None:
    stand_in(project.bin / "python3", "exit 1")
    stand_in(project.bin / "python3.12", f'exec "{sys.executable}" "$@"')
    assert project.start().status == 0
    assert [call.rpartition("/")[2] for call in project.calls()[-3:]] == [
        "prepare_venv.py --check",
        "requirements_realtime.txt",
        "find_gpu.py",
    ]


def test_an_nvidia_card_is_named(project: Project) -> None:
    stand_in(project.bin / "nvidia-smi", 'echo "GPU 0: NVIDIA GeForce RTX 3070 (UUID: GPU-1)"')
    started = project.start()
    assert started.status == 0
    assert "NVIDIA card: NVIDIA GeForce RTX 3070. " in started.output
    assert "CUDA 12" in started.output


def test_windows_script_has_the_line_ends_that_cmd_needs() -> None:
    script = (ROOT / "start_realtime_asr.bat").read_bytes()
    assert script.isascii()
    assert script.count(b"\n") == script.count(b"\r\n") > 0


def test_scripts_can_be_run_as_programs() -> None:
    assert all(
        os.access(ROOT / name, os.X_OK) for name in ("start_realtime_asr.sh", "run_tests.sh")
    )
