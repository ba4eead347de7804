from __future__ import annotations

import errno
import io
import os
from typing import TextIO

import pytest

from client import cli
from client.arguments import read_options
from client.cli import exit_status, open_view, run
from client.errors import ConnectError, ConnectionLostError, RequestFailedError
from client.exports import ExportError
from client.live_view import LiveView
from client.microphone import MicrophoneError
from client.sources import FileError, SourceError
from client.view import PlainView
from tests.support.fake_server import final


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectError("x"), 3),
        (MicrophoneError("x"), 4),
        (FileError("x"), 5),
        (ExportError("x"), 6),
        (SourceError("x"), 1),
        (ConnectionLostError("x"), 1),
        (RequestFailedError("bad", "x"), 1),
    ],
)
def test_every_failure_has_its_exit_status(error: Exception, status: int) -> None:
    assert exit_status(error) == status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_view_is_for_terminals_and_plain_forces_lines() -> None:
    err = io.StringIO()
    assert isinstance(open_view(read_options([]), io.StringIO(), err), PlainView)
    assert isinstance(open_view(read_options(["--plain"]), Terminal(), err), PlainView)
    view = open_view(read_options([]), Terminal(), err)
    assert isinstance(view, LiveView)
    view.close()


def test_a_reader_who_leaves_ends_it_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    async def write(
        options: object, source: object, exports: object, out: TextIO, err: TextIO
    ) -> int:
        PlainView(out, err).final(final("ค่ะ"))
        return 0

    monkeypatch.setattr(cli, "_transcribe", write)
    err = io.StringIO()
    with open(writing, "w", encoding="utf-8") as out:
        assert run(["--viewer"], out, err) == 1
    assert err.getvalue() == ""


def test_text_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "_transcribe", write)
    err = io.StringIO()
    assert run(["--viewer"], io.StringIO(), err) == 6
    assert err.getvalue() == "Error: cannot write the text: No space left on device\n"
