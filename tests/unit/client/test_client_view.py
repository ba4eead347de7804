from __future__ import annotations

import io

from msgspec.structs import replace

from client.view import PlainView
from client.words import minutes
from tests.support.fake_server import STREAM_ID, final, partial


def test_only_finals_are_lines_of_standard_output() -> None:
    out, err = io.StringIO(), io.StringIO()
    view = PlainView(out, err, own_streams=(STREAM_ID,))
    view.partial(partial("สวัส"))
    view.final(replace(final("สวัสดีคับ"), provisional=True))
    view.final(final("สวัสดีครับ"), 1.5)
    view.final(final("", reason="no_speech"))
    view.note("a note")
    view.level(-20.0)
    view.progress(1.0, 2.0)
    view.close()
    assert out.getvalue() == "สวัสดีครับ\n"
    assert err.getvalue() == "a note\n"


def test_other_clients_are_labelled() -> None:
    out = io.StringIO()
    view = PlainView(out, io.StringIO(), own_streams=(STREAM_ID,))
    view.final(final("ค่ะ", stream_id="a2.1", speaker="Nok"))
    view.final(final("ครับ", stream_id="a3.1"))
    assert out.getvalue() == "[Nok] ค่ะ\n[a3.1] ครับ\n"


def test_lengths_of_time_are_read_as_on_a_player() -> None:
    assert [minutes(s) for s in (0, 59.6, 65, 3600)] == ["0:00", "1:00", "1:05", "60:00"]
