from __future__ import annotations

import pytest

from client.addresses import Addresses
from client.cli import Exit, exit_status, read_options
from client.microphone import MicrophoneError
from client.sources import FileError, SourceError
from client.stream import ConnectError, ConnectionLostError, RequestFailedError


def test_the_defaults_are_the_published_ports_and_the_microphone() -> None:
    options = read_options([])
    assert options.addresses == Addresses("ws://localhost:8765", "ws://localhost:8766")
    assert (options.file, options.fast, options.session, options.model) == (None, False, None, None)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fast"], "--fast goes with --file"),
        (["--file", "a.wav", "--device", "1"], "exclude each other"),
        (["--url", "http://localhost"], "no WebSocket address"),
        (["--control-url", "localhost:1"], "no WebSocket address"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_refused_with_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        read_options(arguments)
    assert raised.value.code == Exit.USAGE
    assert complaint in capsys.readouterr().err


def test_help_lists_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--help"])
    listed = capsys.readouterr().out.partition("exit status:")[2].split()
    assert {str(int(status)) for status in Exit} <= set(listed)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectError("x"), 3),
        (MicrophoneError("x"), 4),
        (FileError("x"), 5),
        (SourceError("x"), 1),
        (ConnectionLostError("x"), 1),
        (RequestFailedError("bad", "x"), 1),
    ],
)
def test_every_failure_has_its_exit_status(error: Exception, status: int) -> None:
    assert exit_status(error) == status
