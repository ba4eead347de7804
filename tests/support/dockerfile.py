"""A Dockerfile, read by a library, and its steps replayed without Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """Instructions in order, and the variables that they set."""

    instructions: tuple[tuple[str, str], ...]
    variables: dict[str, str]

    @classmethod
    def read(cls, name: str) -> Dockerfile:
        with (ROOT / name).open("rb") as file:
            parser = DockerfileParser(fileobj=file)  # type: ignore[arg-type]  # it reads bytes
            found = tuple((step["instruction"], step["value"]) for step in parser.structure)
            return cls(found, dict(parser.envs))

    def all(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]

    def only(self, instruction: str) -> str:
        [value] = self.all(instruction)
        return value

    @property
    def sources(self) -> list[str]:
        """What COPY takes from the repository."""
        return [source for value in self.all("COPY") for source in value.split()[:-1]]

    @property
    def installed(self) -> list[str]:
        """The requirement files that pip installs."""
        return [name for run in self.all("RUN") for name in re.findall(r"-r (\S+)", run)]

    @property
    def command(self) -> list[str]:
        """What the container starts, with the Python of the tests."""
        return _with_python(json.loads(self.only("ENTRYPOINT")))

    @property
    def health_command(self) -> list[str]:
        return _with_python(json.loads(self.only("HEALTHCHECK").partition("CMD")[2]))

    def build(self, app: Path) -> None:
        """Copy into a folder what COPY would."""
        for value in self.all("COPY"):
            *sources, target = value.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
                    shutil.copytree(ROOT / source, app / target, ignore=ignored)
                else:
                    shutil.copy(ROOT / source, app / target)

    def environment(self, cache: Path) -> dict[str, str]:
        """The container's variables, with a folder in place of its volume."""
        volume = self.only("VOLUME")
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}
        values = {key: value.replace(volume, str(cache)) for key, value in self.variables.items()}
        return {**kept, **values, "PATH": kept["PATH"]}


def _with_python(command: list[str]) -> list[str]:
    assert command[0] == "python"
    return [sys.executable, *command[1:]]
