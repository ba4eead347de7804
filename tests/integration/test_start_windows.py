"""What start_realtime_asr.bat alone has to do: odd paths, a window that stays open, the browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.start_scripts import BatchScript, StandIn, Wine

PAUSED = b"Press any key"

# No % here: Wine's cmd expands %~dp0 twice. Windows' own does not.
ODD = ["a & b", "ไทย (1)", "wow! ^ x", "plain"]


def make(
    parent: Path, wine: Wine, name: str = "thai asr", answers: StandIn | None = None
) -> BatchScript:
    script = BatchScript.make(parent, name, wine)
    script.add_python("py", answers or StandIn())
    return script


@pytest.mark.parametrize("name", ODD)
def test_any_folder_will_do(tmp_path: Path, wine: Wine, name: str) -> None:
    script = make(tmp_path, wine, name)
    assert script.run("x", cwd=script.bin).status == 0  # from elsewhere: every path is needed
    assert script.kinds() == ["check", "install", "gpu", "server"]
    assert script.calls()[-1].arguments[1:] == (
        f"{script.shown_folder}\\realtime_thai_asr_server.py",
        "x",
    )


@pytest.mark.parametrize(("answers", "status"), [(StandIn(server=7), 7), (StandIn(install=1), 1)])
def test_after_an_error_the_window_stays_until_a_key(
    tmp_path: Path, wine: Wine, answers: StandIn, status: int
) -> None:
    script = make(tmp_path, wine, answers=answers)
    with script.popen() as run:
        assert run.stdout is not None
        heard = b""
        while PAUSED not in heard:
            byte = run.stdout.read(1)
            assert byte, f"ended without waiting: {heard!r}"
            heard += byte
        assert run.poll() is None
        run.communicate(b"\r\n", timeout=30)
    assert run.returncode == status


def test_after_a_clean_end_the_window_closes(tmp_path: Path, wine: Wine) -> None:
    ended = make(tmp_path, wine).run()
    assert ended.status == 0
    assert PAUSED.decode() not in ended.output


def test_a_copy_without_the_project_says_so(tmp_path: Path, wine: Wine) -> None:
    script = make(tmp_path, wine)
    (script.folder / "scripts" / "prepare_venv.py").unlink()
    ended = script.run()
    assert ended.status == 1
    assert "Unpack the whole archive first" in ended.output


def test_the_launcher_that_lacks_a_version_is_not_taken_for_one(tmp_path: Path, wine: Wine) -> None:
    script = BatchScript.make(tmp_path, "thai asr", wine)
    script.add_python("py", StandIn(version="Python 3.13 not found!", check=1))
    ended = script.run()
    assert ended.status == 1
    assert "Found" not in ended.output


@pytest.mark.parametrize(("variables", "asked"), [({}, "yes"), ({"THAI_ASR_OPEN": "no"}, "no")])
def test_the_page_opens_unless_told_otherwise(
    tmp_path: Path, wine: Wine, variables: dict[str, str], asked: str
) -> None:
    script = make(tmp_path, wine)
    ended = script.run(variables=variables)
    assert ended.status == 0, ended.output
    assert script.calls()[-1].open == asked
