"""Are the packages of `requirements_realtime.txt` installed? Standard library only.

`packaging` is used where it is there. Where it is not, the others are missing too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from server.findings import Finding, Level, line_of, ok, problem, warning

ROOT: Final = Path(__file__).resolve().parent.parent
REQUIREMENTS: Final = ROOT / "requirements_realtime.txt"

_CLIENT_ONLY: Final = ("sounddevice", "pyaudio", "pythainlp")
"""The server runs without them."""


def check_packages(
    requirements: Path = REQUIREMENTS,
    version_of: Callable[[str], str | None] | None = None,
) -> list[Finding]:
    """A finding each for what is well, for what the server lacks, and for what else is wrong."""
    found = version_of or installed_version
    try:
        lines = list(_lines(requirements))
    except OSError as error:
        return [warning("packages", f"{requirements} cannot be read ({error})", "get it again")]
    good: list[str] = []
    absent: list[str] = []
    bad: list[str] = []
    for name, wanted in filter(None, map(_read, lines)):
        version = found(name)
        if version is None:
            (bad if name.lower() in _CLIENT_ONLY else absent).append(f"{name} is missing")
        elif not _within(version, wanted):
            bad.append(f"{name} {version} is installed, {wanted} is wanted")
        else:
            good.append(f"{name} {version}")
    return [
        *([ok("packages", ", ".join(good))] if good else []),
        *([problem("packages", "; ".join(absent), install())] if absent else []),
        *([warning("packages", "; ".join(bad), install())] if bad else []),
    ]


def explain(error: ImportError) -> str:
    """Why the server's own imports failed and what to do, for its standard error."""
    lines = [f"Error: {error}"]
    bad = [finding for finding in check_packages() if finding.level is Level.PROBLEM]
    if bad:
        lines += [line_of(finding) for finding in bad]
        lines.append(f"Install what is missing: {install()}")
    else:
        lines.append(
            f"Its files may be damaged; install them again: {install('--force-reinstall')}"
        )
        if sys.platform == "win32":
            lines.append(
                "Or Windows lacks the Visual C++ Redistributable: "
                "https://aka.ms/vs/17/release/vc_redist.x64.exe"
            )
    return "\n".join(lines)


def install(*options: str, requirements: str = REQUIREMENTS.name) -> str:
    """The command that installs a file of requirements into the environment that this runs in."""
    return command("-m", "pip", "install", *options, "-r", str(ROOT / requirements))


def command(*arguments: str) -> str:
    """How to run this Python, as a person types it."""
    words = (sys.executable, *arguments)
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def installed_version(name: str) -> str | None:
    """The version of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lines(requirements: Path) -> Iterator[str]:
    for line in requirements.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-"):
            yield text


def _read(line: str) -> tuple[str, str] | None:
    """Name and wanted versions; None for a line that does not apply to this machine."""
    try:
        from packaging.requirements import Requirement  # noqa: PLC0415
    except ImportError:
        parts = re.match(r"([\w.-]+)([^;]*)", line)
        return (parts[1], parts[2].strip()) if parts and ";" not in line else None
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    return requirement.name, str(requirement.specifier)


def _within(version: str, wanted: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet  # noqa: PLC0415
    except ImportError:
        return True
    return SpecifierSet(wanted).contains(version, prereleases=True)
