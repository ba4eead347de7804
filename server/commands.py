"""What the entry script can do instead of serving. Each returns the exit status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from server.convert_command import convert
from server.doctor import examine
from server.download_command import download
from server.settings import Settings


class CommandKind(Enum):
    """What is asked for."""

    DOWNLOAD = "download"
    CONVERT = "convert"
    DOCTOR = "doctor"


@dataclass(frozen=True, slots=True)
class Command:
    """One of them; `model_id` says of which model, where that matters."""

    kind: CommandKind
    model_id: str = ""


def run_command(command: Command, settings: Settings) -> int:
    """Do it (blocking); 0 is success."""
    match command.kind:
        case CommandKind.DOWNLOAD:
            return download(command.model_id, settings)
        case CommandKind.CONVERT:
            return convert(command.model_id, settings)
        case CommandKind.DOCTOR:
            return examine(settings)
