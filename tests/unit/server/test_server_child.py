from __future__ import annotations

from server.child import last_line, run_python


def test_what_a_child_prints_is_read_as_text() -> None:
    result = run_python(["-c", "import sys; print('ไทย'); sys.stderr.write('log')"], 20.0)
    assert (result.output.strip(), result.errors, result.ending) == ("ไทย", "log", "")


def test_a_child_finds_the_projects_modules_and_its_variables() -> None:
    code = "import os, server.findings; print(os.environ['WORD'])"
    assert run_python(["-c", code], 20.0, {"WORD": "here"}).output.strip() == "here"


def test_a_child_that_dies_is_told() -> None:
    assert "died" in run_python(["-c", "import os; os.abort()"], 20.0).ending


def test_a_child_that_hangs_is_ended() -> None:
    code = "import threading; threading.Event().wait()"
    assert "did not end" in run_python(["-c", code], 0.3).ending


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("one\n two \n\n") == "two"
    assert last_line("") == ""
