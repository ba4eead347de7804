from __future__ import annotations

import io

import pytest

from client.arguments import read_options
from client.cli import exit_status, open_view
from client.errors import ConnectError, ConnectionLostError, RequestFailedError
from client.exports import ExportError
from client.live_view import LiveView
from client.microphone import MicrophoneError
from client.sources import FileError, SourceError
from client.view import PlainView


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
