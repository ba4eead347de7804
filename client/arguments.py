"""The command line's arguments, and its exit statuses."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from client.addresses import (
    DEFAULT_AUDIO_URL,
    DEFAULT_CONTROL_URL,
    AddressError,
    Addresses,
    resolve,
)
from client.backoff import GIVE_UP_AFTER_S
from client.exports import ExportFormat
from client.kept_audio import KEPT_LIMIT_S

TOKEN_VARIABLE = "THAI_ASR_TOKEN"
STDIN = "-"


class Exit(IntEnum):
    """Exit statuses, listed in `--help`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SERVER = 3
    NO_MICROPHONE = 4
    BAD_INPUT = 5
    CANNOT_WRITE = 6
    INTERRUPTED = 130


EPILOG = f"""\
examples:
  python realtime_thai_asr_client.py                      microphone, until Ctrl-C
  python realtime_thai_asr_client.py talk.mp3             a file, at the pace it was spoken
  python realtime_thai_asr_client.py talk.mp4 --fast --srt talk.srt
  ffmpeg -i SOURCE -f s16le -ar 16000 -ac 1 - | python realtime_thai_asr_client.py -
  python realtime_thai_asr_client.py --viewer --session meeting

On a terminal, finals scroll by above a live view. Elsewhere, and with --plain, finals are lines on
standard output and everything else goes to standard error. Files for --srt, --vtt, --txt and --json
are written at the end, also after Ctrl-C, an error or a lost connection.

A lost connection is tried again for {GIVE_UP_AFTER_S / 60:.0f} minutes; what no final covers yet
is kept (up to {KEPT_LIMIT_S:.0f} s) and sent again. Ctrl-C sends audio_end, waits for the last
final and ends; pressed twice, it ends at once. So do SIGTERM and closing the terminal.

exit status:
  {Exit.OK}    done (a microphone, standard input or viewer ended by Ctrl-C is done)
  {Exit.FAILED}    the server reported an error, the connection was lost for good, or audio was lost
  {Exit.USAGE}    bad arguments
  {Exit.NO_SERVER}    cannot connect at the start
  {Exit.NO_MICROPHONE}    no microphone
  {Exit.BAD_INPUT}    the file or standard input cannot be read as audio
  {Exit.CANNOT_WRITE}    a file to write, or standard output, cannot be written
  {Exit.INTERRUPTED}  a file was interrupted, or Ctrl-C was pressed twice or before the audio began
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the arguments ask for. `file` None and no `stdin`: the microphone, or a viewer."""

    addresses: Addresses
    file: Path | None
    stdin: bool
    viewer: bool
    fast: bool
    session: str | None
    speaker: str | None
    model: str | None
    device: str | None
    list_devices: bool
    token: str | None = field(repr=False)
    ca_file: Path | None
    reconnect: bool
    plain: bool
    exports: dict[ExportFormat, Path]


def read_options(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Parse the command line. Exits with status 2 on bad arguments, 0 after `--help`."""
    parser = _parser()
    values = parser.parse_args(arguments)
    values.token = values.token or environment.get(TOKEN_VARIABLE) or None
    if values.input is not None and values.file is not None:
        parser.error("give the file once: FILE or --file FILE")
    given = values.input if values.input is not None else values.file
    stdin = given == STDIN
    file = None if given is None or stdin else Path(given)
    _check(parser, values, file, stdin)
    try:
        addresses = resolve(values.url, values.control_url)
    except AddressError as error:
        parser.error(str(error))
    exports = {kind: getattr(values, kind.value) for kind in ExportFormat}
    return Options(
        addresses=addresses,
        file=file,
        stdin=stdin,
        viewer=values.viewer,
        fast=values.fast,
        session=values.session,
        speaker=values.speaker,
        model=values.model,
        device=values.device,
        list_devices=values.list_devices,
        token=values.token,
        ca_file=values.ca_file,
        reconnect=values.reconnect,
        plain=values.plain,
        exports={kind: path for kind, path in exports.items() if path is not None},
    )


def _check(
    parser: argparse.ArgumentParser, values: argparse.Namespace, file: Path | None, stdin: bool
) -> None:
    if values.fast and file is None:
        parser.error("--fast goes with a file")
    if values.device is not None and (file is not None or stdin):
        parser.error("--device is for the microphone: it and a file exclude each other")
    if values.viewer:
        sends = {"a file": file, "-": stdin, "--device": values.device, "--model": values.model}
        for name, wanted in (sends | {"--speaker": values.speaker}).items():
            if wanted:
                parser.error(f"--viewer only reads along; it and {name} exclude each other")
    if values.token is not None and not (values.token.isascii() and values.token.isprintable()):
        parser.error(f"--token, {TOKEN_VARIABLE}: letters, digits and punctuation only")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime_thai_asr_client.py",
        description="Speak Thai, read Thai: sends a microphone, a file or standard input to the "
        "real-time server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to send (default: the microphone)")
    what.add_argument(
        "input",
        nargs="?",
        metavar="FILE",
        help="an audio or video file, or - for standard input: PCM16, 16 kHz, mono, or WAV",
    )
    what.add_argument("--file", metavar="FILE", help="the same as FILE")
    what.add_argument("--fast", action="store_true", help="send it as fast as the server can")
    what.add_argument("--device", help="microphone: its number, or part of its name")
    what.add_argument("--list-devices", action="store_true", help="list microphones and exit")
    what.add_argument("--viewer", action="store_true", help="send nothing, read along")
    _add_server(parser.add_argument_group("server"))
    written = parser.add_argument_group("what to show and write")
    written.add_argument("--plain", action="store_true", help="plain lines, also on a terminal")
    for kind in ExportFormat:
        written.add_argument(
            f"--{kind.value}", type=Path, metavar="FILE", help=f"write the finals as {kind.name}"
        )
    return parser


def _add_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url", help=f"the server's address, of either port (default: {DEFAULT_AUDIO_URL})"
    )
    group.add_argument(
        "--control-url",
        metavar="URL",
        help=f"control port, where --url cannot tell it (default: {DEFAULT_CONTROL_URL})",
    )
    group.add_argument("--session", metavar="NAME", help="join this session")
    group.add_argument("--speaker", metavar="NAME", help="shown with this client's transcripts")
    group.add_argument("--model", metavar="ID", help="have the server load this model first")
    group.add_argument("--token", help=f"sent to the server (or variable {TOKEN_VARIABLE})")
    group.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="trust certificates signed by those in this file (PEM), for wss://",
    )
    group.add_argument(
        "--no-reconnect",
        dest="reconnect",
        action="store_false",
        help="end when the connection is lost",
    )
