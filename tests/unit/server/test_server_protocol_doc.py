"""The reference of messages: complete, and in step with the structs."""

from __future__ import annotations

import re

import pytest

from server.protocol_doc import DOCS, documents


@pytest.mark.parametrize(("name", "text"), documents().items(), ids=documents())
def test_the_documents_are_up_to_date(name: str, text: str) -> None:
    """`python -m server.protocol_doc` writes them."""
    assert (DOCS / name).read_text(encoding="utf-8") == text


def test_every_field_is_described() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.*) \|$", documents()["messages.md"], re.M)
    assert len(rows) > 100
    assert [name for name, text in rows if not text.strip() or text.startswith(";")] == []


def test_objects_in_events_have_sections() -> None:
    text = documents()["messages.md"]
    linked = set(re.findall(r"\]\(#(\w+)\)", text))
    assert {"limits", "modelinfo", "score", "measuredcosts"} <= linked
    assert linked <= {heading.lower() for heading in re.findall(r"^### `(\w+)`", text, re.M)}
