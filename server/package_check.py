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
    """One finding for all that is well, one for each that is missing or of a bad version."""
    found = version_of or installed_version
    try:
        lines = list(_lines(requirements))
    except OSError as error:
        return [warning("packages", f"{requirements} cannot be read ({error})", "get it again")]
    good: list[str] = []
    bad: list[Finding] = []
    for line in lines:
        name, wanted, applies = _read(line)
        if not applies:
            continue
        version = found(name)
        if version is None:
            missing = warning if name.lower() in _CLIENT_ONLY else problem
            bad.append(missing(name, f"is missing (wanted: {wanted or 'any'})", install()))
        elif not _within(version, line):
            bad.append(warning(name, f"{version} is installed, {wanted} is wanted", install()))
        else:
            good.append(f"{name} {version}")
    return [*([ok("packages", ", ".join(good))] if good else []), *bad]


def explain(error: ImportError) -> str:
    """Why the server's own imports failed and what to do, for its standard error."""
    lines = [f"Error: {error}"]
    bad = [finding for finding in check_packages() if finding.level is Level.PROBLEM]
    lines += [f"  {line_of(finding)}" for finding in bad]
    if bad:
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


def install(option: str = "") -> str:
    """The command that installs the packages into the environment that this runs in."""
    words = [sys.executable, "-m", "pip", "install", *filter(None, [option]), "-r", REQUIREMENTS]
    return " ".join(f'"{word}"' if " " in str(word) else str(word) for word in words)


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


def _read(line: str) -> tuple[str, str, bool]:
    """Name, wanted versions, and whether the line applies to this machine."""
    try:
        from packaging.requirements import Requirement  # noqa: PLC0415
    except ImportError:
        parts = re.match(r"([\w.-]+)([^;]*)", line)
        name, wanted = (parts[1], parts[2].strip()) if parts else (line, "")
        return name, wanted, ";" not in line
    requirement = Requirement(line)
    applies = requirement.marker is None or requirement.marker.evaluate()
    return requirement.name, str(requirement.specifier), applies


def _within(version: str, line: str) -> bool:
    try:
        from packaging.requirements import Requirement  # noqa: PLC0415
    except ImportError:
        return True
    return Requirement(line).specifier.contains(version, prereleases=True)
