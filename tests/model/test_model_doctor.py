"""`--doctor` on this machine, with a real decode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from asr.embedded_model import ensure_embedded_model
from asr.trial_decode import main
from server.package_check import ROOT

pytestmark = pytest.mark.model

COMMAND = (sys.executable, "realtime_thai_asr_server.py", "--doctor", "--offline", "--log-file=")


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    ports = ("--control-port=0", "--audio-port=0")
    return subprocess.run(
        [*COMMAND, *ports, *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_a_machine_that_can_run_the_server_is_told_so_in_plain_lines() -> None:
    done = doctor()
    assert done.returncode == 0, done.stdout
    assert "ok       decode on the CPU: 6 s of audio in" in done.stdout
    assert "\nThe server can run." in done.stdout
    assert "\x1b" not in done.stdout
    assert "check failed" not in done.stdout
    assert str(Path.home()) + "/" not in done.stdout


def test_a_machine_that_cannot_has_status_1() -> None:
    done = doctor("--model", "nix")
    assert done.returncode == 1
    assert "problem  models.yaml: no model is called 'nix'" in done.stdout
    assert "The server cannot run yet: 1 problem" in done.stdout


def test_a_trial_of_a_folder_without_a_model_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "cpu", "int8"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]


def test_a_trial_reports_what_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ensure_embedded_model(tmp_path)), "cpu", "float32"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["compute_type"] == "float32"
    assert report["decode_s"] > 0
    assert report["taken_mb"] > 0
