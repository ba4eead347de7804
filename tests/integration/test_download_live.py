"""`--download` as a user runs it: a process of its own, killed and interrupted half-way."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asr.embedded_model import SHA256, default_cache_dir, ensure_embedded_model
from asr.locate import check_model_dir
from tests.support.downloads import REPO, SMALL_FILES
from tests.support.hub_server import Fetch, HubServer

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60


@dataclass
class Shell:
    """Starts the entry script with `--download mine`, against a hub on localhost."""

    hub: HubServer
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "models.yaml").write_text(
            f"- {{id: mine, name: Mine, repo: {REPO}, format: ct2}}\n"
        )

    @property
    def hf_home(self) -> Path:
        return self.folder / "แคช ของ hf"

    def start(self) -> subprocess.Popen[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HF_", "THAI_ASR_"))
        }
        environment["HF_HOME"] = str(self.hf_home)
        environment["HF_ENDPOINT"] = self.hub.endpoint
        environment["HF_HUB_DISABLE_TELEMETRY"] = "1"  # it would be a request of its own
        process = subprocess.Popen(
            [
                *(sys.executable, ROOT / "realtime_thai_asr_server.py", "--download", "mine"),
                *("--models-file", self.folder / "models.yaml", "--log-file", ""),
            ],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, err

    def part_bytes(self) -> int:
        """Of the largest part of a file in the cache."""
        parts = self.hf_home.rglob("*.thai-asr.incomplete")
        return max((part.stat().st_size for part in parts), default=0)


@pytest.fixture(scope="module")
def model() -> Path:
    """The files of a real CTranslate2 model: what was fetched is looked into afterwards."""
    return ensure_embedded_model(default_cache_dir())


@pytest.fixture
def shell(tmp_path: Path, model: Path) -> Iterator[Shell]:
    with HubServer({REPO: model}) as hub:
        shell = Shell(hub, tmp_path)
        yield shell
        for process in shell.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=LIMIT_S)


def size_of(model: Path) -> int:
    return (model / "model.bin").stat().st_size


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_real_model_killed_at_half_and_started_again_fetches_only_the_rest(
    shell: Shell, model: Path
) -> None:
    hub = shell.hub
    total = size_of(model)
    half = total // 2
    hub.faults.stall_after = half
    first = shell.start()
    wait_until(lambda: shell.part_bytes() == half)
    first.kill()
    shell.finish(first)
    hub.faults.stall_after = None
    hub.requests.clear()

    status, out, err = shell.finish(shell.start())
    assert (status, err) == (0, "")
    assert hub.fetched("model.bin") == [Fetch(half, total - half)]
    assert all(hub.fetched(name) == [] for name in SMALL_FILES), "they were complete"
    assert "going on where an earlier try ended" in out
    folder = Path(out.split("mine is there:\n")[1].splitlines()[0].strip())
    check_model_dir(folder)
    assert hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest() == SHA256
    hub.requests.clear()

    status, out, _ = shell.finish(shell.start())
    assert status == 0
    assert out.startswith("mine is there already:")
    assert len(hub.requests) == 1, "the commit of the branch, and no file"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_stalled_download_and_the_next_one_goes_on(
    shell: Shell, model: Path, number: signal.Signals
) -> None:
    shell.hub.faults.stall_after = 5_000_000
    first = shell.start()
    wait_until(lambda: shell.part_bytes() == 5_000_000)
    asked_s = time.monotonic()
    first.send_signal(number)
    status, out, err = shell.finish(first)
    assert time.monotonic() - asked_s < 5.0
    assert (status, err) == (130, "")
    assert "What was fetched is kept" in out
    shell.hub.faults.stall_after = None
    shell.hub.requests.clear()
    assert shell.finish(shell.start())[0] == 0
    assert shell.hub.fetched("model.bin") == [Fetch(5_000_000, size_of(model) - 5_000_000)]


def test_two_processes_fetch_each_byte_once(shell: Shell, model: Path) -> None:
    shell.hub.faults.bytes_per_s = 60_000_000
    results = [shell.finish(process) for process in [shell.start(), shell.start()]]
    assert [status for status, _, _ in results] == [0, 0]
    assert sum(fetch.sent_bytes for fetch in shell.hub.fetched("model.bin")) == size_of(model)


def test_an_error_ends_with_its_words_and_no_stack_trace(shell: Shell) -> None:
    shell.hub.faults.gated.add(REPO)
    status, _, err = shell.finish(shell.start())
    assert status == 1
    assert err.startswith("Error: ")
    assert "accept its terms" in err
    assert "Traceback" not in err
