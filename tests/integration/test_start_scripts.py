"""start_realtime_asr.sh and start_realtime_asr.bat do the same, with stand-ins for every Python.

The .bat runs under Wine's cmd. What is Windows' own stands in test_start_windows.py.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.start_scripts import BatchScript, ShellScript, StandIn, StartScript

FOLDER = "โปรเจกต์ ของฉัน"
GOOD = StandIn()
OLD = StandIn(version="Python 3.9.2", check=1)
SHIM = StandIn(version="Python was not found; run without arguments", check=1)


@pytest.fixture(params=["sh", "bat"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> StartScript:
    """A project folder with Thai letters and a space in its name, and no Python yet."""
    if request.param == "sh":
        return ShellScript.make(tmp_path, FOLDER)
    return BatchScript.make(tmp_path, FOLDER, request.getfixturevalue("wine"))


def test_first_start_installs_and_the_second_does_not(script: StartScript) -> None:
    script.add_python(script.pythons[0], GOOD)
    assert script.run().status == 0
    assert script.kinds() == ["check", "install", "gpu", "server"]
    assert script.run().status == 0
    assert script.kinds()[4:] == ["check", "prepare", "gpu", "server"]


def test_the_server_runs_in_the_environment_with_its_own_path(script: StartScript) -> None:
    script.add_python(script.pythons[0], GOOD)
    script.run()
    server = script.calls()[-1]
    assert server.program.startswith(script.shown_folder)
    assert ".venv" in server.program
    assert "realtime_thai_asr_server.py" in server.arguments[1]


def test_arguments_go_to_the_server_as_they_are(script: StartScript) -> None:
    script.add_python(script.pythons[0], GOOD)
    given = ("--model", "a b", "ไทย ไทย", "", "x & y", "(1)", "wow!", "--no-open")
    script.run(*given)
    assert script.calls()[-1].arguments[2:] == given


def test_the_servers_exit_status_is_handed_on(script: StartScript) -> None:
    script.add_python(script.pythons[0], StandIn(server=7))
    assert script.run().status == 7


def test_the_server_works_in_the_callers_folder(script: StartScript, tmp_path: Path) -> None:
    script.add_python(script.pythons[0], StandIn(server=5))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert script.run("a b", cwd=elsewhere).status == 5
    server = script.calls()[-1]
    assert server.folder.endswith("elsewhere")
    assert server.arguments[1].startswith(script.shown_folder)
    assert server.arguments[2:] == ("a b",)


def test_without_python_it_says_where_to_get_one(script: StartScript) -> None:
    ended = script.run()
    assert ended.status == 1
    assert "Python 3.11 to 3.14 (64-bit) is needed" in ended.output
    assert "https://www.python.org/downloads/" in ended.output
    assert "Found" not in ended.output


def test_an_old_python_is_named_and_not_used(script: StartScript) -> None:
    script.add_python(script.pythons[0], OLD)
    script.add_python(script.pythons[1], SHIM)
    ended = script.run()
    assert ended.status == 1
    assert "is Python 3.9.2" in ended.output
    assert "was not" not in ended.output
    assert set(script.kinds()) == {"check", "version"}


def test_a_usable_python_is_found_behind_an_old_one(script: StartScript) -> None:
    script.add_python(script.pythons[0], OLD)
    script.add_python(script.pythons[1], GOOD)
    assert script.run().status == 0
    assert script.kinds()[-3:] == ["install", "gpu", "server"]
    assert f"bin/{script.pythons[1]}" in script.calls()[-2].program.replace("\\", "/")


def test_a_failed_install_ends_the_start(script: StartScript) -> None:
    script.add_python(script.pythons[0], StandIn(install=1))
    assert script.run().status == 1
    assert script.kinds() == ["check", "install"]


def test_looking_for_a_card_never_ends_the_start(script: StartScript) -> None:
    script.add_python(script.pythons[0], StandIn(gpu=3))
    assert script.run().status == 0
    assert script.kinds()[-1] == "server"


@pytest.mark.parametrize(
    ("terminal", "variables", "asked"),
    [
        (True, {"DISPLAY": ":0"}, "yes"),
        (True, {"WAYLAND_DISPLAY": "wayland-0"}, "yes"),
        (True, {"OSTYPE": "darwin24"}, "yes"),
        (True, {"OSTYPE": "linux-gnu"}, ""),
        (False, {"DISPLAY": ":0"}, ""),
        (True, {"DISPLAY": ":0", "THAI_ASR_OPEN": "no"}, "no"),
    ],
)
def test_the_page_opens_where_somebody_sees_it(
    tmp_path: Path, terminal: bool, variables: dict[str, str], asked: str
) -> None:
    script = ShellScript.make(tmp_path, FOLDER)
    script.add_python(script.pythons[0], GOOD)
    ours, theirs = os.openpty()
    subprocess.run(
        script.command(None, ()),
        cwd=script.folder,
        env=script.environment() | variables,
        stdin=subprocess.DEVNULL,
        stdout=theirs if terminal else subprocess.DEVNULL,
        timeout=30,
        check=True,
    )
    os.close(theirs)
    os.close(ours)
    assert script.calls()[-1].open == asked
