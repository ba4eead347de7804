"""`--convert`: what it says and how it ends."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from asr.download import ModelDownloader
from asr.types import ModelFormat, ModelSpec
from server.convert_command import ConvertCommand, convert
from server.download_command import DownloadCommand
from server.settings import Settings
from tests.support.downloads import CT2_SPEC, HURRIED, REPO
from tests.support.hub_server import HubServer
from tests.support.model_folders import transformers_folder

SPEC = replace(CT2_SPEC, format=ModelFormat.TRANSFORMERS)


class Shell:
    """Runs the command on a machine without the packages; what it said."""

    def __init__(self, hub: HubServer, tmp_path: Path) -> None:
        self.hub = hub
        self.tmp_path = tmp_path
        self.answer = False
        self.ctrl_c_at_question = False
        self.ctrl_c_at_install = False
        self.installs = 0
        self.cancelled = threading.Event()

    def may_install(self) -> bool:
        if self.ctrl_c_at_question:
            raise KeyboardInterrupt
        return self.answer

    def install(self) -> bool:
        self.installs += 1
        if self.ctrl_c_at_install:
            self.cancelled.set()
        return False

    def run(self, spec: ModelSpec = SPEC) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        hub_cache = self.tmp_path / "hub"
        downloader = ModelDownloader(
            cache_dir=hub_cache, endpoint=self.hub.endpoint, token=False, patience=HURRIED
        )
        command = ConvertCommand(
            self.tmp_path / "cache",
            "int8",
            DownloadCommand(downloader, self.tmp_path / "cache", out, err),
            may_install=self.may_install,
            out=out,
            err=err,
            find_python=lambda: None,
            install=self.install,
            hub_cache_dir=hub_cache,
        )
        status = command.run(spec, self.cancelled)
        return status, out.getvalue(), err.getvalue()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    published = transformers_folder(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in published.iterdir()}
    with HubServer({REPO: files}) as hub:
        yield Shell(hub, tmp_path)


def test_what_is_not_on_disk_is_fetched_first_and_the_packages_are_asked_for(
    shell: Shell,
) -> None:
    status, out, err = shell.run()
    assert status == 1
    assert out.startswith(f"Downloading m from {REPO}")
    assert "about 1.3 GB" in out
    assert "THAI_ASR_CONVERT_INSTALL=yes" in err
    assert shell.installs == 0
    shell.hub.requests.clear()
    assert "Downloading" not in shell.run()[1]
    assert shell.hub.requests == []


def test_an_installation_that_fails_is_said(shell: Shell) -> None:
    shell.answer = True
    status, _, err = shell.run()
    assert (status, shell.installs) == (1, 1)
    assert err == "Error: the packages for conversion could not be installed\n"


@pytest.mark.parametrize("where", ["ctrl_c_at_question", "ctrl_c_at_install"])
def test_ctrl_c_before_the_conversion_is_no_error(shell: Shell, where: str) -> None:
    shell.answer = True
    setattr(shell, where, True)
    status, out, err = shell.run()
    assert (status, err) == (130, "")
    assert out.splitlines()[-1].startswith("Stopped.")


def test_a_download_that_fails_ends_it(shell: Shell) -> None:
    status, _, err = shell.run(replace(SPEC, repo="owner/other"))
    assert status == 1
    assert err.startswith("Error: ")
    assert shell.installs == 0


def test_a_folder_that_is_not_there_is_said(shell: Shell) -> None:
    status, _, err = shell.run(replace(SPEC, path="/no/such/folder"))
    assert (status, err) == (1, "Error: the folder /no/such/folder is not there\n")


def test_a_folder_that_cannot_be_converted_is_refused_before_anything_is_installed(
    shell: Shell, tmp_path: Path
) -> None:
    folder = transformers_folder(tmp_path / "mine")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    status, out, err = shell.run(replace(SPEC, path=str(folder)))
    assert (status, out) == (1, "")
    assert "pytorch_model.bin" in err


def test_what_needs_no_conversion(shell: Shell) -> None:
    status, out, _ = shell.run(CT2_SPEC)
    assert (status, out) == (0, "m is a CTranslate2 model: there is nothing to convert.\n")


def test_an_unknown_id_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert convert("no-such-model", Settings()) == 2
    assert "pathumma-large" in capsys.readouterr().err
