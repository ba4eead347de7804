"""What an installation shows of pip's output."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest

from scripts.prepare_venv import Progress

PIP = """\
Collecting rich[jupyter]>=15 (from -r requirements.txt (line 1))
  Downloading rich-15.0.0-py3-none-any.whl (500 kB)
     ---------------------------------------- 500/500 kB 2.1 MB/s eta 0:00:00
Collecting av<19,>=15
  Downloading https://example.org/av-17.0.0-cp312-cp312-win_amd64.whl.metadata (4.5 kB)
  Downloading av-17.0.0-cp312-cp312-win_amd64.whl (40.5 MB)
  Using cached numpy-2.4.0-cp312-cp312-win_amd64.whl (12.6 MB)
  Downloading odd line
  Downloading odd-1.0.whl (many MB)
Downloading

Installing collected packages: rich, av, numpy
Successfully installed av-17.0.0 numpy-2.4.0 rich-15.0.0
"""


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


def shown(out: io.StringIO) -> str:
    with Progress(out) as progress:
        for line in PIP.splitlines(keepends=True):
            progress.heard(line)
    return out.getvalue()


def test_at_a_terminal_one_line_says_what_comes_and_how_much_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    *lines, end = shown(Terminal()).split("\r")[1:]
    assert [line.strip() for line in lines] == [
        "Downloading rich, 0 MB done ...",
        "Downloading rich (500 kB), 0 MB done ...",
        "Downloading av, 0 MB done ...",
        "Downloading av (4.5 kB), 0 MB done ...",
        "Downloading av (40.5 MB), 1 MB done ...",
        "Downloading odd, 41 MB done ...",
    ]
    assert end.strip() == "Unpacking 3 packages ..."
    assert end.endswith("\n")


def test_a_shorter_line_covers_the_longer_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(Terminal()).rstrip("\n").split("\r")[1:]
    for before, after in pairwise(lines):
        assert len(after) >= len(before.rstrip())


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert max(map(len, shown(Terminal()).rstrip("\n").split("\r"))) == 19


def test_elsewhere_there_is_a_line_for_each_stage() -> None:
    assert shown(io.StringIO()) == "  Downloading ...\n  Unpacking ...\n"
