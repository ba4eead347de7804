"""What the entry script can do instead of serving. Each returns the exit status."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from server.access_file import check_unused, new_entry
from server.convert_command import convert
from server.doctor import examine
from server.download_command import download
from server.peer import Role
from server.settings import Settings


class CommandKind(Enum):
    """What is asked for."""

    DOWNLOAD = "download"
    CONVERT = "convert"
    DOCTOR = "doctor"
    NEW_TOKEN = "new_token"


@dataclass(frozen=True, slots=True)
class Command:
    """One of them; `name` says of which model or for whom, where that matters.

    `role` and `namespace` are those of a new token; an empty namespace is called as the token.
    """

    kind: CommandKind
    name: str = ""
    role: Role = Role.SPEAKER
    namespace: str = ""


def run_command(command: Command, settings: Settings) -> int:
    """Do it (blocking); 0 is success. Raises AccessError, CatalogueError, EngineError."""
    match command.kind:
        case CommandKind.DOWNLOAD:
            return download(command.name, settings)
        case CommandKind.CONVERT:
            return convert(command.name, settings)
        case CommandKind.DOCTOR:
            return examine(settings)
        case CommandKind.NEW_TOKEN:
            return _make_token(command, settings)


def _make_token(command: Command, settings: Settings) -> int:
    """The entry goes to standard output, for a file; the token to the terminal only."""
    if settings.access_file:
        check_unused(command.name, Path(settings.access_file))
    token, entry = new_entry(command.name, command.role, command.namespace)
    sys.stdout.write(entry)
    sys.stdout.flush()
    sys.stderr.write(f"The token of {command.name}, shown this once: {token}\n")
    return 0
