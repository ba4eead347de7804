"""docs/thai-asr.service, judged by systemd's own tools."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from server.settings import ENV_PREFIX, Settings
from tests.support.front import DOCS, installed

UNIT = (DOCS / "thai-asr.service").read_text(encoding="utf-8")
EXPOSURE_LIMIT = 20
"""Tenths; systemd calls a service above 40 of 100 exposed."""
EXIT_LIMIT_S = 10
"""How long the server takes to end, at most."""


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT, re.M)


def value(key: str) -> str:
    [only] = values(key)
    return only


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that there is: systemd looks for it."""
    program = value("ExecStart").split()[0]
    path = tmp_path / "thai-asr.service"
    path.write_text(UNIT.replace(program, sys.executable), encoding="utf-8")
    return path


def test_systemd_understands_every_line(unit: Path) -> None:
    done = subprocess.run(
        [installed("systemd-analyze", "systemd"), "verify", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr


def test_little_is_exposed(unit: Path) -> None:
    options = ("--offline=yes", "--no-pager", f"--threshold={EXPOSURE_LIMIT}")
    done = subprocess.run(
        [installed("systemd-analyze", "systemd"), "security", *options, unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_it_fits_how_the_server_stops_and_what_it_may_write() -> None:
    assert int(value("TimeoutStopSec")) > EXIT_LIMIT_S
    assert (value("KillSignal"), value("KillMode")) == ("SIGTERM", "mixed")
    assert value("Restart") == "on-failure"
    program, script = value("ExecStart").split()
    root = value("WorkingDirectory")
    assert program.startswith(f"{root}/.venv/")
    assert script == f"{root}/realtime_thai_asr_server.py"
    variables = dict(
        pair.split("=", 1) for line in values("Environment") for pair in line.split(" ")
    )
    ours = [name.removeprefix(ENV_PREFIX) for name in variables if name.startswith(ENV_PREFIX)]
    assert ours
    assert all(name.lower() in Settings.names() for name in ours)
    cache = f"/var/cache/{value('CacheDirectory')}/"
    for name in ("HF_HOME", "THAI_ASR_CACHE_DIR"):
        assert variables[name].startswith(cache)


def test_a_reload_reads_what_the_service_may_read() -> None:
    """Its user is nobody's and owns nothing in /etc; a group is given it."""
    assert value("DynamicUser") == "yes"
    assert value("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert not values("LoadCredential")
    [path] = re.findall(r"THAI_ASR_ACCESS_FILE=(\S+)", UNIT)
    group = value("SupplementaryGroups")
    steps = (DOCS / "deployment.md").read_text(encoding="utf-8")
    assert f"groupadd --system {group}\n" in steps
    assert f"install -d -m 750 -g {group} {path.rpartition('/')[0]}\n" in steps
    assert f"install -m 640 -g {group} /dev/null {path}\n" in steps


def test_the_engine_may_make_machine_code() -> None:
    """With MemoryDenyWriteExecute no model loads: "could not create a primitive"."""
    assert values("MemoryDenyWriteExecute") == []
