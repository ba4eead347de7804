"""Look for published weaknesses of the packages that are required or installed.

    python scripts/check_advisories.py           exit status 1 if there are, and none explains them

Two checks: `scripts/advisories.toml`, a list that is here, against the requirement files and this
environment; and pip-audit against PyPI's advisories. Where PyPI does not answer, or a mirror does
in its place that has none, the second is said to be left out and fails nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LISTED = ROOT / "scripts" / "advisories.toml"
AUDIT = ("-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off")
FROM_BELOW = (">=", "==", "~=", ">")
AUDIT_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Known:
    """Versions of a package before `fixed` have the weakness."""

    package: str
    fixed: Version
    id: str


@dataclass(frozen=True, slots=True)
class Weakness:
    """One that concerns us: `where` says which version, or which file, has it."""

    package: str
    where: str
    id: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the service said; `unchecked` of `total` packages it knew nothing of."""

    found: tuple[Weakness, ...]
    unchecked: int
    total: int


def read_listed(path: Path) -> tuple[list[Known], dict[str, str]]:
    """The list, and the reason why each accepted package is."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    known = [Known(r["package"], Version(r["fixed"]), r["id"]) for r in table["known"]]
    return known, {row["package"]: row["reason"] for row in table["accepted"]}


def requirements_of(path: Path) -> Iterator[Requirement]:
    """The packages that a requirement file names."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text and not text.startswith("-"):
            yield Requirement(text)


def too_old_allowed(
    name: str, wanted: Iterable[Requirement], known: Iterable[Known]
) -> Iterator[Weakness]:
    """Bounds that let a version with a weakness in. `name` is the file's."""
    by_package = {canonicalize_name(r.name): r for r in wanted}
    for row in known:
        requirement = by_package.get(canonicalize_name(row.package))
        if requirement is None:
            continue
        lowest = [
            Version(s.version)
            for s in requirement.specifier
            if s.operator in (">=", "==", "~=", ">")
        ]
        if not lowest or max(lowest) < row.fixed:
            yield Weakness(row.package, f"{name} allows {requirement.specifier or 'any'}", row.id)


def too_old_installed(versions: Mapping[str, str], known: Iterable[Known]) -> Iterator[Weakness]:
    """Installed versions with a weakness."""
    for row in known:
        version = versions.get(canonicalize_name(row.package))
        if version is not None and Version(version) < row.fixed:
            yield Weakness(row.package, f"{version} is installed, {row.fixed} is fixed", row.id)


def read_audit(output: str) -> Audit | None:
    """pip-audit's report; None if it is none, since the service did not answer."""
    try:
        packages: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    found = [
        Weakness(package["name"], f"{package['version']} is installed, {_fixes(weak)}", weak["id"])
        for package in packages
        for weak in package.get("vulns", ())
    ]
    return Audit(tuple(found), sum("skip_reason" in p for p in packages), len(packages))


def _fixes(weak: Mapping[str, Any]) -> str:
    versions = ", ".join(weak.get("fix_versions", ()))
    return f"fixed in {versions}" if versions else "not fixed yet"


def audit() -> Audit | None:
    """Ask PyPI, through pip-audit (blocking, seconds)."""
    try:
        done = subprocess.run(
            [sys.executable, *AUDIT],
            capture_output=True,
            encoding="utf-8",
            timeout=AUDIT_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return read_audit(done.stdout)


def report(
    found: Sequence[Weakness], accepted: Mapping[str, str], answer: Audit | None
) -> tuple[list[str], bool]:
    """The lines to show, and whether all is well."""
    lines, well = [], True
    for weak in [*found, *(answer.found if answer else ())]:
        reason = accepted.get(canonicalize_name(weak.package))
        well = well and reason is not None
        mark = "WEAK" if reason is None else "accepted"
        lines.append(f"{mark}: {weak.package}: {weak.where} ({weak.id})")
        if reason is not None:
            lines.append(f"    {reason}")
    if answer is None:
        lines.append("NOT ASKED: PyPI's advisories cannot be reached; only the list here was used")
    elif answer.unchecked:
        lines.append(
            f"NOT ASKED: PyPI's advisories for {answer.unchecked} of {answer.total} packages: the "
            "index that answers does not know them; for these only the list here was used"
        )
    else:
        lines.append(f"asked: PyPI's advisories for {answer.total} packages")
    return lines, well


def main() -> int:
    """Check and tell; the exit status."""
    known, accepted = read_listed(LISTED)
    installed = {str(canonicalize_name(d.name)): d.version for d in metadata.distributions()}
    found = list(too_old_installed(installed, known))
    for path in sorted(ROOT.glob("requirements_*.txt")):
        found += too_old_allowed(path.name, requirements_of(path), known)
    lines, well = report(found, accepted, audit())
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
