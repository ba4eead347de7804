"""Whatever stands in a catalogue, it is read or refused with a line of the file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from asr.catalogue import CatalogueError, load_catalogue
from asr.types import ModelSpec

SHIPPED = (Path(__file__).parents[2] / "models.yaml").read_text(encoding="utf-8").splitlines()
KEYS = [name for name in ModelSpec.__dataclass_fields__ if name != "scores"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 40_000),
    st.floats(-2, 2),
    st.text("abct2/-. \u0e01\u0e34", max_size=12),
    st.sampled_from(["ct2", "transformers", "a/b", "th", "a" * 40]),
    st.lists(st.integers(), max_size=2),
)


def problem_of(path: Path) -> CatalogueError | None:
    try:
        assert load_catalogue(path)
    except CatalogueError as error:
        return error
    return None


def read(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(text, encoding="utf-8")
        problem = problem_of(path)
        if problem is not None:
            assert str(problem) == f"{path}:{problem.line}: {problem.problem}"
            assert 1 <= problem.line <= len(text.splitlines()) + 1


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES)), max_size=2))
def test_entries_of_any_values_are_read_or_refused_with_a_line(entries: list[object]) -> None:
    read(yaml.safe_dump(entries, allow_unicode=True))


@given(st.integers(0, len(SHIPPED) - 1), st.sampled_from(["", "x", "  x: 1", "- {}", "  tier: ["]))
def test_a_line_of_the_shipped_catalogue_spoilt_is_no_crash(index: int, line: str) -> None:
    read("\n".join([*SHIPPED[:index], line, *SHIPPED[index + 1 :]]))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    read(re.sub("[\ud800-\udfff]", "", text))
