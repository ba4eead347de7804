from __future__ import annotations

import io

import pytest
from msgspec.structs import replace

from client.view import PlainView, tail_within, width
from tests.support.fake_server import STREAM_ID, final, partial


class Terminal:
    """What a terminal's last line shows after what was written."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.err = io.StringIO()

    def view(self, *, live: bool, columns: int = 40) -> PlainView:
        view = PlainView(self.out, self.err, live=live, columns=lambda: columns)
        view.own_streams = (STREAM_ID,)
        return view

    @property
    def last_line(self) -> str:
        """The line as carriage returns leave it: what is not written over stays."""
        shown: list[str] = []
        for part in self.out.getvalue().rpartition("\n")[2].split("\r"):
            written = cells(part)
            shown = written + shown[len(written) :]
        return "".join(shown).rstrip(" ")


def cells(text: str) -> list[str]:
    """The text's columns."""
    parts: list[str] = []
    for char in text:
        if width(char) == 0:
            parts[-1] += char
        else:
            parts.append(char)
    return parts


@pytest.mark.parametrize(
    ("text", "columns"), [("สวัสดี", 4), ("น้ำ", 2), ("abc", 3), ("日本", 4), ("", 0)]
)
def test_marks_above_and_below_take_no_column(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 4, "…def"),
        ("กำกี่กี้", 3, "…กี่กี้"),
        ("กี่กี้", 1, "…"),
        ("กกี้", 2, "กกี้"),
    ],
)
def test_the_end_that_fits_begins_with_a_whole_letter(
    text: str, columns: int, expected: str
) -> None:
    cut = tail_within(text, columns)
    assert cut == expected
    assert width(cut) <= columns


def test_off_a_terminal_only_finals_are_written() -> None:
    terminal = Terminal()
    view = terminal.view(live=False)
    view.partial(partial("สวัส"))
    view.final(final("สวัสดีครับ"))
    view.note("a note")
    view.close()
    assert terminal.out.getvalue() == "สวัสดีครับ\n"
    assert terminal.err.getvalue() == "a note\n"


def test_the_live_line_shows_the_latest_partial_and_then_the_final() -> None:
    terminal = Terminal()
    view = terminal.view(live=True)
    view.partial(partial("สวัสดีครับผม"))
    view.partial(partial("สวัสดี"))
    assert terminal.last_line == "สวัสดี"
    view.final(final("สวัสดีครับ"))
    assert terminal.last_line == ""
    assert terminal.out.getvalue().endswith("สวัสดีครับ\n")


def test_a_provisional_final_is_live_until_the_final_replaces_it() -> None:
    terminal = Terminal()
    view = terminal.view(live=True)
    view.final(replace(final("สวัสดีครับผม"), provisional=True))
    assert terminal.last_line == "สวัสดีครับผม"
    assert "\n" not in terminal.out.getvalue()
    view.final(final("สวัสดีครับ"))
    assert terminal.last_line == ""
    assert terminal.out.getvalue().endswith("สวัสดีครับ\n")


def test_off_a_terminal_a_provisional_final_is_not_written() -> None:
    terminal = Terminal()
    view = terminal.view(live=False)
    view.final(replace(final("สวัสดีครับผม"), provisional=True))
    view.final(final("สวัสดีครับ"))
    assert terminal.out.getvalue() == "สวัสดีครับ\n"


def test_a_long_partial_shows_its_end_within_the_columns() -> None:
    terminal = Terminal()
    view = terminal.view(live=True, columns=12)
    view.partial(partial("abcdefghijklmnopqrstuvwxyz"))
    assert terminal.last_line == "…qrstuvwxyz"


def test_notes_do_not_break_the_live_line() -> None:
    terminal = Terminal()
    view = terminal.view(live=True)
    view.partial(partial("สวัสดี"))
    view.note("careful")
    assert terminal.last_line == "สวัสดี"
    view.close()
    assert terminal.last_line == ""


def test_a_final_without_text_and_a_lost_utterance_take_their_partials_away() -> None:
    terminal = Terminal()
    view = terminal.view(live=True)
    view.partial(partial("อืม"))
    view.final(final("", reason="no_speech"))
    assert terminal.last_line == ""
    view.partial(partial("อืม", utterance_id=2))
    view.utterance_lost(STREAM_ID)
    assert terminal.last_line == ""
    assert "\n" not in terminal.out.getvalue()


def test_other_clients_are_labelled() -> None:
    terminal = Terminal()
    view = terminal.view(live=False)
    view.final(final("ค่ะ", stream_id="a2.1", speaker="Nok"))
    view.final(final("ครับ", stream_id="a3.1"))
    assert terminal.out.getvalue() == "[Nok] ค่ะ\n[a3.1] ครับ\n"
