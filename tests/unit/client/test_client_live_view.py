from __future__ import annotations

import io

import pytest
from msgspec.structs import replace

from client.live_view import LiveView, load_parts, meter, progress_bar
from server.model_messages import ModelPhase, ModelProgress
from tests.support.fake_server import STREAM_ID, final, partial
from tests.support.terminal import Terminal

DIM = "\x1b[2m"


class Out(io.StringIO):
    def isatty(self) -> bool:
        return True


class Shown:
    """A live view and the screen that it draws on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, columns: int = 40) -> None:
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.delenv("NO_COLOR", raising=False)
        self.out = Out()
        self.now_s = 0.0
        self.columns = columns
        self.view = LiveView(self.out, Out(), clock=lambda: self.now_s, columns=columns)
        self.view.own_streams = (STREAM_ID,)

    @property
    def terminal(self) -> Terminal:
        terminal = Terminal(self.columns, 20)
        terminal.feed(self.out.getvalue().replace("\n", "\r\n").encode())
        return terminal

    @property
    def lines(self) -> list[str]:
        return self.terminal.lines


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    return Shown(monkeypatch)


def test_a_partial_is_live_and_its_final_stays(shown: Shown) -> None:
    shown.view.model("whisper-base (cpu)")
    shown.view.partial(partial("น้ำกี่", "น้ำ"))
    assert shown.lines == ["น้ำกี่", "whisper-base (cpu)"]
    shown.view.partial(partial("น้ำกี่แก้ว", "น้ำกี่"))
    assert shown.lines == ["น้ำกี่แก้ว", "whisper-base (cpu)"]
    shown.view.final(final("น้ำกี่แก้วครับ"), 1.25)
    assert shown.lines == ["น้ำกี่แก้วครับ", "latency 1.2 s  whisper-base (cpu)"]
    shown.view.close()
    assert shown.lines == ["น้ำกี่แก้วครับ"]
    assert not shown.terminal.cursor_is_hidden


def test_the_stable_part_is_solid_and_the_rest_dim(shown: Shown) -> None:
    shown.view.partial(partial("กาขา", "กา"))
    assert f"กา{DIM}ขา" in shown.out.getvalue().replace("\x1b[0m", "")


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch)
    shown.view.final(final("ค่ะ", stream_id="a2.1", speaker="Nok"))
    assert "\x1b[36m" in shown.out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Out()
    view = LiveView(plain, Out(), columns=40)
    view.final(final("ค่ะ", stream_id="a2.1", speaker="Nok"))
    view.close()
    assert "\x1b[36m" not in plain.getvalue()
    assert "[Nok] ค่ะ" in plain.getvalue()


def test_a_long_partial_shows_its_last_two_lines_whole(shown: Shown) -> None:
    text = "กี่กี้" * 50
    shown.view.partial(partial(text, text))
    assert len(shown.lines) == 2
    assert text.endswith("".join(shown.lines))


def test_a_long_final_wraps_softly_and_nothing_of_it_is_lost(shown: Shown) -> None:
    text = "สวัสดีครับ" * 12
    shown.view.final(final(text))
    shown.view.partial(partial("ต่อ", "ต่อ"))
    shown.view.close()
    assert "".join(shown.lines) == text
    assert text in shown.out.getvalue()


def test_a_provisional_final_is_live(shown: Shown) -> None:
    shown.view.final(replace(final("สวัสดีคับ"), provisional=True))
    shown.view.final(final("สวัสดีครับ"))
    shown.view.close()
    assert shown.lines == ["สวัสดีครับ"]


def test_a_lost_utterance_and_an_empty_final_take_the_partial_away(shown: Shown) -> None:
    shown.view.partial(partial("อืม"))
    shown.view.utterance_lost(STREAM_ID)
    assert shown.lines == []
    shown.view.partial(partial("อืม", utterance_id=2))
    shown.view.final(final("", reason="no_speech", utterance_id=2))
    assert shown.lines == []


def test_notes_scroll_with_the_finals(shown: Shown) -> None:
    shown.view.partial(partial("สวัส"))
    shown.view.note("Connection lost")
    assert shown.lines == ["Connection lost", "สวัส"]


def test_level_and_progress_redraw_ten_times_a_second_at_most(shown: Shown) -> None:
    shown.now_s = 1.0
    shown.view.level(-20.0)
    drawn = shown.out.getvalue()
    shown.view.level(-30.0)
    assert shown.out.getvalue() == drawn
    shown.now_s = 1.2
    shown.view.level(-30.0)
    assert shown.lines == ["▮▮▮▮▮▯▯▯▯▯"]
    shown.now_s = 1.4
    shown.view.progress(30.0, 60.0)
    assert "0:30" not in shown.lines[0]  # it does not fit beside the meter
    assert shown.lines[0].startswith("▮")


def test_a_narrow_terminal_drops_what_matters_least(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch, columns=20)
    shown.view.model("a-model-with-a-long-name (cpu)")
    shown.view.final(final("ครับ"), 0.5)
    assert shown.lines == ["ครับ", "latency 0.5 s"]


@pytest.mark.parametrize(
    ("db", "shown_as"),
    [(-96.0, "▯" * 10), (-30.0, "▮▮▮▮▮▯▯▯▯▯"), (-1.0, "▮" * 10 + " too loud")],
)
def test_the_meter(db: float, shown_as: str) -> None:
    assert meter(db) == shown_as


def test_the_progress_bar() -> None:
    assert progress_bar(15.0, 60.0) == "━━━━────────────  25%  0:15/1:00, 0:45 left"
    assert progress_bar(70.0, 60.0).endswith("100%  1:10/1:00, 0:00 left")
    assert "100%" in progress_bar(0.0, 0.0)


def test_what_a_speaker_who_vanished_was_saying_goes_in_time(shown: Shown) -> None:
    shown.view.partial(replace(partial("ค้าง"), stream_id="b", speaker="Nok"))
    shown.now_s = 29.0
    shown.view.final(final("หนึ่ง"))
    assert "[Nok] ค้าง" in shown.lines
    shown.now_s = 31.0
    shown.view.final(final("สอง"))
    assert "[Nok] ค้าง" not in shown.lines


def test_a_download_has_a_bar_until_the_model_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch, columns=100)
    progress = ModelProgress(
        model_id="big",
        phase=ModelPhase.DOWNLOADING,
        done_bytes=375_000_000,
        total_bytes=1_500_000_000,
        bytes_per_s=12_400_000.0,
        left_s=90.6,
    )
    shown.view.model_progress(progress)
    bar = "━━━━────────────  25%"
    assert shown.lines == [f"big: downloading  {bar}  375 of 1500 MB  12.4 MB/s  1:31 left"]
    shown.view.model_progress(replace(progress, done_bytes=750_000_000))
    assert "25%" in shown.lines[0]  # drawn no more often than ten times a second
    shown.now_s += 0.2
    shown.view.model_progress(replace(progress, done_bytes=750_000_000))
    assert "50%" in shown.lines[0]
    shown.view.model_progress(ModelProgress(model_id="big", phase=ModelPhase.MEASURING))
    assert shown.lines == ["big: trying it out"]
    shown.view.model("big (cpu)")
    assert shown.lines == ["big (cpu)"]


def test_a_narrow_terminal_says_the_model_and_its_share() -> None:
    progress = ModelProgress(
        model_id="big", phase=ModelPhase.CONVERTING, done_bytes=1, total_bytes=4
    )
    assert load_parts(progress)[:2] == ["big: converting", "━━━━────────────  25%"]


def test_a_cancelled_download_leaves_the_screen(shown: Shown) -> None:
    shown.view.model_progress(ModelProgress(model_id="big", phase=ModelPhase.DOWNLOADING))
    assert shown.lines == ["big: downloading"]
    shown.view.model_progress(ModelProgress(model_id="big", phase=ModelPhase.CANCELLED))
    assert shown.lines == []
