from __future__ import annotations

from pathlib import Path

import pytest

from server.findings import line_of, note, ok, problem, public, summary, warning


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/somchai/.cache/x (/home/somchai)", "~/.cache/x (~)"),
        ("/home/somchai2/x", "/home/somchai2/x"),
        ("https http://me:secret@proxy:3128", "https http://***@proxy:3128"),
        ("two\n lines", "two lines"),
    ],
)
def test_what_is_shown_names_no_home_and_no_password(text: str, shown: str) -> None:
    assert public(text, Path("/home/somchai")) == shown


def test_a_root_folder_as_home_is_not_replaced() -> None:
    assert public("/usr/bin", Path("/")) == "/usr/bin"


def test_a_line_says_what_and_how_it_is() -> None:
    assert line_of(ok("clock", "right")) == "clock: right"
    assert line_of(ok("clock")) == "clock"


def test_the_summary_counts_what_is_to_be_done() -> None:
    fine = [ok("a"), note("b", "c")]
    assert summary(fine) == "The server can run."
    assert summary([*fine, warning("d", "e", "f")]).startswith("The server can run. 1 warning:")
    both = [problem("g", "h", "i"), problem("j", "k", "l"), warning("d", "e", "f")]
    assert summary(both).startswith("The server cannot run yet: 2 problems")
