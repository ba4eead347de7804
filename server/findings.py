"""What `--doctor` finds, in lines for people and for bug reports. Standard library only.

It must work where the packages are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Level(Enum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; something is good to know."""
    WARNING = "warning"
    """The server runs, but worse than it could."""
    PROBLEM = "problem"
    """The server cannot run like this."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it."""

    level: Level
    what: str
    detail: str = ""
    advice: str = ""


def ok(what: str, detail: str = "") -> Finding:
    """All is well."""
    return Finding(Level.OK, what, detail)


def note(what: str, detail: str, advice: str = "") -> Finding:
    """Good to know."""
    return Finding(Level.NOTE, what, detail, advice)


def warning(what: str, detail: str, advice: str) -> Finding:
    """It could be better."""
    return Finding(Level.WARNING, what, detail, advice)


def problem(what: str, detail: str, advice: str) -> Finding:
    """The server cannot run."""
    return Finding(Level.PROBLEM, what, detail, advice)


def line_of(finding: Finding) -> str:
    """What was found, without its level and advice."""
    text = f"{finding.what}: {finding.detail}" if finding.detail else finding.what
    return public(text)


def public(text: str, home: Path | None = None) -> str:
    """The text on one line, with the home folder as ~ and no passwords in addresses.

    It will be pasted into bug reports.
    """
    folder = str(home or Path.home()).rstrip("/\\")
    if folder:
        text = re.sub(rf"{re.escape(folder)}(?=[/\\]|\s|$|[),;:'\"])", "~", text)
    text = re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
    return " ".join(text.split())


def summary(findings: Iterable[Finding]) -> str:
    """The last line."""
    levels = [finding.level for finding in findings]
    problems, warnings = levels.count(Level.PROBLEM), levels.count(Level.WARNING)
    if problems:
        return f"The server cannot run yet: {_count(problems, 'problem')} to solve (see above)."
    if warnings:
        return f"The server can run. {_count(warnings, 'warning')}: see above what to do."
    return "The server can run."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
