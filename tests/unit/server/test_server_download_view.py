"""How a download looks at a terminal, and in a file."""

from __future__ import annotations

import io
import logging
import sys

import pytest
from rich.console import Console

from asr.transfer import Transfer
from server.download_view import BarView, LineView, in_words, minutes, percent, view_on
from tests.support.terminal import Terminal

HALF = Transfer(1_500_000_000, 3_090_000_000, 12_300_000.0, 129.0)
DONE = Transfer(3_090_000_000, 3_090_000_000, 12_300_000.0, 0.0)


class Screen(io.StringIO):
    """A terminal's input, and what a person sees of it."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.terminal = Terminal(columns)

    def isatty(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        self.terminal.feed(text.replace("\n", "\r\n").encode())
        return len(text)


def bar_on(screen: Screen, columns: int) -> BarView:
    return BarView(Console(file=screen, force_terminal=True, width=columns, color_system=None))


@pytest.mark.parametrize(
    ("transfer", "words"),
    [
        (Transfer(0, 340_000_000), "0.0 of 340.0 MB"),
        (Transfer(120_400_000, 340_000_000, 3.1e6, 70.8), "120.4 of 340.0 MB  3.1 MB/s  1:11 left"),
        (HALF, "1.50 of 3.09 GB  12.3 MB/s  2:09 left"),
        (DONE, "3.09 of 3.09 GB"),
        (Transfer(5_000_000, None, 1_000_000.0, None), "5.0 MB  1.0 MB/s"),
        (Transfer(5_000_000, 9_000_000, 0.0, None), "5.0 of 9.0 MB  stalled"),
    ],
)  # fmt: skip
def test_bytes_rate_and_time_left_in_words(transfer: Transfer, words: str) -> None:
    assert in_words(transfer) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0:00"), (59.6, "1:00"), (3_661, "1:01:01"), (90_000, "> 1 day")],
)
def test_times(seconds: float, words: str) -> None:
    assert minutes(seconds) == words


def test_it_is_not_finished_before_the_end() -> None:
    assert percent(Transfer(999_999, 1_000_000)) == "99 %"
    assert percent(Transfer(0, None)) == ""


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_bar_fills_one_line(columns: int) -> None:
    screen = Screen(columns)
    with bar_on(screen, columns) as view:
        view.show(HALF)
        view._progress.refresh()
        (line,) = screen.terminal.lines
        assert line.endswith("48 % 1.50 of 3.09 GB  12.3 MB/s  2:09 left")
        assert line.startswith("━━")
        view.show(DONE)
    (line,) = screen.terminal.lines
    assert line.endswith("100 % 3.09 of 3.09 GB")
    assert not screen.terminal.cursor_is_hidden


def test_a_narrow_terminal_has_room_for_the_bar_alone() -> None:
    screen = Screen(30)
    with bar_on(screen, 30) as view:
        view.show(HALF)
    (line,) = screen.terminal.lines
    assert line.endswith(" 48 %")
    assert len(line) == 30


def test_log_lines_stand_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(80)
    monkeypatch.setattr(sys, "stderr", screen)
    handler = logging.StreamHandler(screen)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with bar_on(screen, 80) as view:
            view.show(HALF)
            logging.getLogger("asr.fetch").warning("the line broke")
        assert handler.stream is screen
    finally:
        root.removeHandler(handler)
    lines = screen.terminal.lines
    assert lines[0] == "the line broke"
    assert "48 %" in lines[1]
    assert len(lines) == 2


def test_in_a_file_there_is_a_line_now_and_then_and_one_at_the_end() -> None:
    out, now = io.StringIO(), [0.0]
    with LineView(out, clock=lambda: now[0]) as view:
        for second in range(25):
            now[0] = float(second)
            view.show(Transfer(second * 1_000_000, 25_000_000, 1_000_000.0, 25.0 - second))
        view.show(Transfer(25_000_000, 25_000_000))
    assert [line.split("  ")[1] for line in out.getvalue().splitlines()] == [
        *("0 %", "40 %", "80 %", "100 %"),
    ]
    assert "\x1b" not in out.getvalue()


def test_the_view_suits_the_stream() -> None:
    assert isinstance(view_on(io.StringIO()), LineView)
