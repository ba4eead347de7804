from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.findings import Level
from server.package_check import REQUIREMENTS, check_packages, command, explain, install

LINES = """\
# a comment
one>=1.0,<2  # why
two==1.2.1
sounddevice>=0.5
elsewhere==1 ; sys_platform == "nowhere"
"""


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


def versions(**found: str) -> Callable[[str], str | None]:
    return found.get


def test_all_that_is_well_is_one_line_with_versions(wanted: Path) -> None:
    found = check_packages(wanted, versions(one="1.5", two="1.2.1", sounddevice="0.5.6"))
    assert [finding.level for finding in found] == [Level.OK]
    assert found[0].detail == "one 1.5, two 1.2.1, sounddevice 0.5.6"


def test_a_missing_package_is_a_problem_and_how_to_install_it_is_said(wanted: Path) -> None:
    *_, found = check_packages(wanted, versions(one="1.5", sounddevice="0.5"))
    assert found.level is Level.PROBLEM
    assert found.detail == "two is missing"
    assert "-m pip install -r" in found.advice


def test_a_bad_version_and_what_only_the_client_lacks_are_warnings(wanted: Path) -> None:
    found = check_packages(wanted, versions(one="2.1", two="1.2.1"))
    assert [finding.level for finding in found] == [Level.OK, Level.WARNING]
    assert "one 2.1 is installed" in found[1].detail
    assert "sounddevice is missing" in found[1].detail


def test_this_environment_has_what_the_server_needs() -> None:
    found = check_packages(REQUIREMENTS)
    assert Level.PROBLEM not in {finding.level for finding in found}
    assert "ctranslate2 4." in found[0].detail


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (found,) = check_packages(tmp_path / "none.txt")
    assert found.level is Level.WARNING


def test_damaged_files_are_told_from_missing_packages() -> None:
    words = explain(ImportError("DLL load failed while importing _ext"))
    assert "DLL load failed" in words
    assert "--force-reinstall" in words


def test_commands_can_be_typed() -> None:
    assert command("a b", "c").endswith('"a b" c')
    assert install(requirements="requirements_gpu.txt").endswith("requirements_gpu.txt")
