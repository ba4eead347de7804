from __future__ import annotations

from pathlib import Path

import pytest

from client.addresses import Addresses
from client.arguments import Exit, read_options
from client.exports import ExportFormat


def test_the_defaults_are_the_published_ports_and_the_microphone() -> None:
    options = read_options([], {})
    assert options.addresses == Addresses("ws://localhost:8765", "ws://localhost:8766")
    assert (options.file, options.fast, options.session, options.model) == (None, False, None, None)
    assert (options.stdin, options.viewer, options.plain, options.reconnect) == (
        False,
        False,
        False,
        True,
    )
    assert (options.token, options.exports) == (None, {})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fast"], "--fast goes with a file"),
        (["--fast", "-"], "--fast goes with a file"),
        (["--file", "a.wav", "--device", "1"], "exclude each other"),
        (["-", "--device", "1"], "exclude each other"),
        (["a.wav", "--file", "b.wav"], "give the file once"),
        (["--viewer", "a.wav"], "only reads along; it and a file exclude each other"),
        (["--viewer", "-"], "exclude each other"),
        (["--viewer", "--model", "m"], "exclude each other"),
        (["--token", "two\nlines"], "--token"),
        (["--url", "ftp://localhost"], "no WebSocket address"),
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


@pytest.mark.parametrize("arguments", [["talk.mp3"], ["--file", "talk.mp3"]])
def test_a_file_is_given_with_or_without_its_option(arguments: list[str]) -> None:
    options = read_options(arguments)
    assert (options.file, options.stdin) == (Path("talk.mp3"), False)


def test_a_dash_is_standard_input() -> None:
    options = read_options(["-", "--no-reconnect", "--plain"])
    assert (options.file, options.stdin) == (None, True)
    assert (options.reconnect, options.plain) == (False, True)


def test_the_token_comes_from_the_option_or_the_environment_and_is_never_shown() -> None:
    environment = {"THAI_ASR_TOKEN": "from-environment"}
    assert read_options([], environment).token == "from-environment"
    options = read_options(["--token", "given"], environment)
    assert options.token == "given"
    assert "given" not in repr(options)
    assert read_options([], {"THAI_ASR_TOKEN": ""}).token is None
    with pytest.raises(SystemExit):
        read_options([], {"THAI_ASR_TOKEN": "from-a-file\r"})


def test_exports_are_collected_by_format() -> None:
    options = read_options(["a.wav", "--srt", "a.srt", "--json", "a.json"])
    assert options.exports == {
        ExportFormat.SRT: Path("a.srt"),
        ExportFormat.JSON: Path("a.json"),
    }
