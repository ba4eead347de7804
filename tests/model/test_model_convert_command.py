"""`--convert` as a user runs it: a process of its own, interrupted and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from asr.convert_packages import SIDE_VENV, find_convert_python
from asr.embedded_model import default_cache_dir, ensure_embedded_model
from asr.locate import check_model_dir
from server.package_check import ROOT
from tests.support.hub_server import HubServer
from tests.support.transformers_whisper import back_to_transformers

pytestmark = [
    pytest.mark.convert,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows"),
]

LIMIT_S = 120
REPO = "owner/base"
CATALOGUE = f"- {{id: mine, name: Mine, repo: {REPO}, format: transformers}}\n"


@dataclass
class Shell:
    """Starts the entry script with `--convert mine`, against a hub on localhost."""

    hub: HubServer
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        (self.folder / "models.yaml").write_text(CATALOGUE, encoding="utf-8")
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "THAI_ASR_"))
        }
        environment |= {
            "HF_HOME": str(self.folder / "hf"),
            "HF_ENDPOINT": self.hub.endpoint,
            "THAI_ASR_CACHE_DIR": str(self.folder / "cache"),
            "THAI_ASR_COMPUTE_TYPE": "int8",
        }
        process = subprocess.Popen(
            [
                *(sys.executable, ROOT / "realtime_thai_asr_server.py", "--convert", "mine"),
                *("--models-file", self.folder / "models.yaml", "--log-file", ""),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    if find_convert_python(ROOT) is None:
        pytest.skip(f"no torch and transformers in {SIDE_VENV} (bash run_tests.sh --convert)")
    embedded = ensure_embedded_model(default_cache_dir())
    source = tmp_path / "source"
    source.mkdir()
    made = back_to_transformers(embedded, source)
    with HubServer({REPO: {path.name: path for path in made.iterdir()}}) as hub:
        shell = Shell(hub, tmp_path)
        yield shell
        for process in shell.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=LIMIT_S)


def test_ctrl_c_ends_a_conversion_and_the_next_run_makes_it(shell: Shell) -> None:
    first = shell.start()
    assert first.stdout is not None
    heard = ""
    while not heard.startswith("Converting mine for int8"):
        heard = first.stdout.readline()
        assert heard, "it ended before it converted"
    children = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGINT)
    status, out, err = shell.finish(first)
    assert (status, err) == (130, "")
    assert out.splitlines()[-1].startswith("Stopped.")
    assert not any(child.is_running() for child in children)
    assert not list((shell.folder / "cache").rglob("conversion.json"))

    shell.hub.requests.clear()
    status, out, err = shell.finish(shell.start())
    assert (status, err) == (0, "")
    assert "Downloading" not in out
    assert shell.hub.requests == []
    assert "--model mine" in out
    check_model_dir(Path(out.split("mine is converted:\n")[1].splitlines()[0].strip()))

    status, out, err = shell.finish(shell.start())
    assert (status, err) == (0, "")
    assert out.startswith("mine is converted already:\n")
