"""`--download`: what it says and how it ends."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from asr.download import ModelDownloader
from asr.types import ModelFormat, ModelSpec
from server.download_command import DownloadCommand, download
from server.settings import Settings
from tests.support.downloads import CT2_SPEC, HURRIED, REPO
from tests.support.hub_server import HubServer
from tests.support.model_folders import ct2_folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    published = ct2_folder(tmp_path / "published", filler=150_000)
    with HubServer({REPO: files_of(published)}) as server:
        yield server


class Shell:
    """Runs the command; what it said."""

    def __init__(self, hub: HubServer, cache_dir: Path) -> None:
        self.hub = hub
        self.cache_dir = cache_dir
        self.offline = False

    def run(
        self, spec: ModelSpec = CT2_SPEC, cancelled: threading.Event | None = None
    ) -> tuple[int, str, str]:
        downloader = ModelDownloader(
            cache_dir=self.cache_dir,
            endpoint=self.hub.endpoint,
            token=False,
            patience=HURRIED,
            offline=self.offline,
        )
        out, err = io.StringIO(), io.StringIO()
        status = DownloadCommand(downloader, self.cache_dir / "made", out, err).run(
            spec, cancelled or threading.Event()
        )
        return status, out.getvalue(), err.getvalue()


@pytest.fixture
def shell(hub: HubServer, tmp_path: Path) -> Shell:
    return Shell(hub, tmp_path / "cache")


def test_it_says_what_comes_how_far_and_where_it_lies(shell: Shell) -> None:
    status, out, err = shell.run()
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"Downloading m from {REPO}"
    assert lines[1] == "Licence: unknown"
    assert lines[2].split() == ["0", "%", "0.0", "of", "0.3", "MB"]
    assert lines[3].split()[:2] == ["100", "%"]
    assert lines[4] == "m is there:"
    assert Path(lines[5].strip(), "model.bin").is_file()
    assert lines[-1].endswith("realtime_thai_asr_server.py --model m")


def test_licence_and_terms_are_said_before_the_first_byte_comes(shell: Shell) -> None:
    _, out, _ = shell.run(replace(CT2_SPEC, licence="mit", terms="Ask its authors."))
    assert out.splitlines()[1:3] == ["Licence: mit", "Ask its authors."]
    assert out.index("Ask its authors.") < out.index("%")


def test_what_is_there_is_said_at_once(shell: Shell) -> None:
    shell.run()
    shell.hub.requests.clear()
    status, out, _ = shell.run()
    assert status == 0
    assert out.startswith("m is there already:\n")
    assert "%" not in out
    assert shell.hub.fetched("model.bin") == []


def test_a_second_try_says_that_it_goes_on(shell: Shell) -> None:
    shell.hub.faults.break_after.extend([150_000, 0, 0])
    status, _, err = shell.run()
    assert status == 1
    assert err.startswith("Error: ")
    assert "what was fetched is kept" in err
    _, out, _ = shell.run()
    assert out.startswith(f"Downloading m from {REPO} (going on where an earlier try ended)\n")


def test_ctrl_c_says_how_to_go_on(shell: Shell) -> None:
    cancelled = threading.Event()
    cancelled.set()
    status, out, err = shell.run(cancelled=cancelled)
    assert (status, err) == (130, "")
    assert "What was fetched is kept" in out
    assert out.rstrip().endswith("--download m")


def test_what_needs_no_download(shell: Shell) -> None:
    assert "comes with the server" in shell.run(replace(CT2_SPEC, embedded=True))[1]
    status, out, _ = shell.run(replace(CT2_SPEC, path="/models/mine"))
    assert status == 0
    assert "lies in /models/mine" in out
    assert shell.hub.requests == []


def test_a_transformers_model_still_has_to_be_converted(shell: Shell) -> None:
    shell.hub.push(REPO, {"config.json": b"{}", "model.safetensors": b"s" * 20_000})
    status, out, _ = shell.run(replace(CT2_SPEC, format=ModelFormat.TRANSFORMERS))
    assert status == 0
    assert out.rstrip().endswith("--convert m")


def test_a_model_that_lacks_its_tokenizer_is_not_called_ready(shell: Shell, tmp_path: Path) -> None:
    shell.hub.push(REPO, files_of(ct2_folder(tmp_path / "bare", complete=False)))
    status, out, err = shell.run()
    assert status == 1
    assert "tokenizer.json" in err
    assert "--model" not in out


def test_offline_is_refused_with_words(shell: Shell) -> None:
    shell.offline = True
    status, _, err = shell.run()
    assert status == 1
    assert "--offline" in err


def test_an_unknown_id_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert download("no-such-model", Settings()) == 2
    err = capsys.readouterr().err
    assert "no model 'no-such-model'" in err
    assert "biodatlab-medium-faster" in err
