"""Flags, variables and the config file to Settings; the one place that reads them."""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from asr.types import LOCAL_ID
from server.access_file import TOKEN_VARIABLE
from server.commands import Command, CommandKind
from server.convert_command import INSTALL_VARIABLE
from server.peer import Role
from server.setting_rows import SettingError
from server.settings import ENV_PREFIX, Settings, check, parse

DESCRIPTION = """\
Real-time Thai speech recognition on two WebSocket ports.

Control (models, recording, status; also the page): ws://localhost:8765
Audio (audio in, partial and final transcripts out): ws://localhost:8766
"""

EPILOG = """\
Every setting can also stand in a TOML file (--config FILE, `name = value`) or in a variable
(THAI_ASR_MODEL=whisper-base). A flag wins over a variable, a variable over the file.
All settings: docs/configuration.md

examples:
  python realtime_thai_asr_server.py                          the page is at http://localhost:8765
  python realtime_thai_asr_server.py --model whisper-base     the model that needs no download
  python realtime_thai_asr_server.py --model-path my-model-ct2
  python realtime_thai_asr_server.py --profile accurate       slower finals, fewer errors
  python realtime_thai_asr_server.py --control-port 9000 --audio-port 9001
  python realtime_thai_asr_server.py --download biodatlab-medium-faster
  python realtime_thai_asr_server.py --doctor                 what is missing, and what to do
  python realtime_thai_asr_server.py --new-token NAME         who may connect: docs/access.md
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was asked for. Without a command: serve."""

    settings: Settings
    command: Command | None = None
    model_named: bool = False
    """The model was chosen by a flag, a variable or the file."""
    token: str = field(default="", repr=False)
    """The admin's, of the environment; no setting, since settings are shown."""


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """As `read_invocation`, the settings only."""
    return read_invocation(arguments, environment).settings


def read_invocation(arguments: Sequence[str], environment: Mapping[str, str]) -> Invocation:
    """Settings and command from a command line and an environment.

    Raises SettingError, or SystemExit as argparse does for `--help` and wrong flags.
    """
    given = vars(_parser().parse_args(arguments))
    command = _pop_command(given)
    changes: dict[str, object] = {}
    config = given.pop("config") or environment.get(f"{ENV_PREFIX}CONFIG")
    if config:
        changes |= _from_file(Path(config))
    for setting in dataclasses.fields(Settings):
        text = environment.get(ENV_PREFIX + setting.name.upper())
        if text is not None:
            changes[setting.name] = _from_variable(setting.name, text)
    changes |= {name: value for name, value in given.items() if value is not None}
    if changes.get("model_path"):
        changes.setdefault("model", LOCAL_ID)
    token = environment.get(TOKEN_VARIABLE, "")
    return Invocation(Settings().changed(changes), command, "model" in changes, token)


def _pop_command(given: dict[str, object]) -> Command | None:
    found = {kind: given.pop(kind.value) for kind in CommandKind}
    of_token = {name: given.pop(name) for name in ("role", "namespace")}
    name = found[CommandKind.NEW_TOKEN]
    if name:
        role = Role(of_token["role"] or Role.SPEAKER)
        return Command(CommandKind.NEW_TOKEN, str(name), role, str(of_token["namespace"] or ""))
    for option, value in of_token.items():
        if value is not None:
            raise SettingError(option, "goes with --new-token NAME")
    for kind, value in found.items():
        if value:
            return Command(kind, value if isinstance(value, str) else "")
    return None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Names that look like a setting's variable and are none: misspelt, perhaps."""
    known = {
        "CONFIG",
        INSTALL_VARIABLE.removeprefix(ENV_PREFIX),
        TOKEN_VARIABLE.removeprefix(ENV_PREFIX),
        *(name.upper() for name in Settings.names()),
    }
    return sorted(
        name
        for name in environment
        if name.startswith(ENV_PREFIX) and name.removeprefix(ENV_PREFIX) not in known
    )


def _from_variable(name: str, text: str) -> object:
    try:
        return parse(name, text)
    except SettingError as error:
        raise SettingError(ENV_PREFIX + name.upper(), error.problem) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime_thai_asr_server.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="settings in a TOML file")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--download", metavar="ID", help="fetch a model of the catalogue, then end"
    )
    instead.add_argument(
        "--convert",
        metavar="ID",
        help="make a model ready for CTranslate2, then end; asks before it installs PyTorch, "
        f"unless {INSTALL_VARIABLE}=yes",
    )
    instead.add_argument(
        "--doctor", action="store_true", help="say what this machine lacks and what to do, then end"
    )
    instead.add_argument(
        "--new-token",
        metavar="NAME",
        help="make a token, and an entry for the access file that knows its hash only, then end; "
        "with --access-file FILE see first whether the name is free there",
    )
    parser.add_argument(
        "--role",
        choices=[role.value for role in (Role.VIEWER, Role.SPEAKER, Role.ADMIN)],
        help="of the token that --new-token makes (default: speaker)",
    )
    parser.add_argument(
        "--namespace",
        help="of the token that --new-token makes (default: its name)",
    )
    for setting in dataclasses.fields(Settings):
        if setting.metadata["flag"]:
            _add_flag(parser, setting.name, setting.default, setting.metadata)
    return parser


def _add_flag(
    parser: argparse.ArgumentParser, name: str, default: object, meta: Mapping[str, object]
) -> None:
    flag = "--" + name.replace("_", "-")
    shown = "" if default in ("", False) else f" (default: {default})"
    text = f"{meta['help']}{shown}".replace("%", "%%")
    if isinstance(default, bool):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    choices = meta["choices"] or None
    parser.add_argument(
        flag,
        type=type(default),
        choices=choices if isinstance(choices, tuple) else None,
        default=None,
        metavar=None if choices else name.rsplit("_", maxsplit=1)[-1].upper(),
        help=text,
    )


def _from_file(path: Path) -> dict[str, object]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError("config", f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, not TOML, or a number too long to read
        raise SettingError("config", f"{path}: {error}") from error
    try:
        return {name: check(name, value) for name, value in table.items()}
    except SettingError as error:
        raise SettingError(f"{path}, {error.name}", error.problem) from error
