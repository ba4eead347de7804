"""Published weaknesses are told, those that are explained do not fail, silence is no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.check_advisories import (
    LISTED,
    Audit,
    Known,
    Weakness,
    read_audit,
    read_listed,
    report,
    requirements_of,
    too_old_allowed,
    too_old_installed,
)

ROOT = Path(__file__).resolve().parents[3]
KNOWN = [Known("some-thing", Version("2.1"), "CVE-1")]
WEAK = Weakness("some-thing", "2.0 is installed", "CVE-1")
ALL_ASKED = Audit((), 0, 3)


@pytest.mark.parametrize("text", ["Some_Thing>=2.1,<3", "some-thing==2.2", "other"])
def test_bounds_above_a_weakness_are_well(text: str) -> None:
    assert list(too_old_allowed("r.txt", [Requirement(text)], KNOWN)) == []


@pytest.mark.parametrize("text", ["some-thing", "Some_Thing>=2.0.9", "some.thing==2"])
def test_bounds_that_let_a_weakness_in_are_told(text: str) -> None:
    [weak] = too_old_allowed("r.txt", [Requirement(text)], KNOWN)
    assert weak.package == "some-thing"
    assert weak.where.startswith("r.txt allows")


def test_installed_versions_are_compared_as_versions() -> None:
    assert list(too_old_installed({"some-thing": "2.10"}, KNOWN)) == []
    assert [w.id for w in too_old_installed({"some-thing": "2.0.10"}, KNOWN)] == ["CVE-1"]
    assert list(too_old_installed({}, KNOWN)) == []


def test_a_weakness_fails_unless_it_is_explained() -> None:
    lines, well = report([WEAK], {}, ALL_ASKED)
    assert not well
    assert "some-thing" in lines[0]
    assert "CVE-1" in lines[0]
    lines, well = report([WEAK], {"some-thing": "never runs"}, ALL_ASKED)
    assert well
    assert "never runs" in lines[1]
    assert not report([], {}, Audit((WEAK,), 0, 1))[1]


def test_no_answer_fails_nothing_and_is_said() -> None:
    for answer in (None, Audit((), 3, 3)):
        lines, well = report([], {}, answer)
        assert well
        assert "NOT ASKED" in lines[-1]
    assert report([], {}, ALL_ASKED)[0] == ["asked: PyPI's advisories for 3 packages"]


def test_the_audits_report_is_read() -> None:
    packages = [
        {"name": "well", "version": "1", "vulns": []},
        {"name": "unknown", "skip_reason": "Dependency not found on PyPI"},
        {
            "name": "weak",
            "version": "1.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": []}],
        },
    ]
    read = read_audit(json.dumps({"dependencies": packages, "fixes": []}))
    where = "1.0 is installed, fixed in 1.1, 2.0"
    assert read == Audit((Weakness("weak", where, "PYSEC-1"),), 1, 3)
    for nothing in ("", "Traceback", "[]", "{}"):
        assert read_audit(nothing) is None


def test_every_requirement_of_the_project_is_read_and_free_of_known_weaknesses() -> None:
    known, accepted = read_listed(LISTED)
    assert all(len(reason.split()) > 5 for reason in accepted.values())
    for path in ROOT.glob("requirements_*.txt"):
        wanted = list(requirements_of(path))
        assert wanted
        assert list(too_old_allowed(path.name, wanted, known)) == []
