from __future__ import annotations

from pathlib import Path

import pytest

from asr.catalogue import CatalogueError, load_catalogue
from asr.types import ModelFormat, ModelSpec, PublishedScore

FOUR_LINES = """\
- id: mine
  name: Mine
  repo: me/mine
  format: ct2
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_four_lines_make_a_model(tmp_path: Path) -> None:
    catalogue = load_catalogue(write(tmp_path, FOUR_LINES))
    expected = ModelSpec("mine", "Mine", "", "me/mine", ModelFormat.CT2, "custom")
    assert dict(catalogue) == {"mine": expected}


def test_every_key_is_read(tmp_path: Path) -> None:
    more = """\
  description: Good
  tier: fast
  recommended: true
  revision: 0123456789abcdef0123456789abcdef01234567
  language: en
  licence: mit
  terms: Not for sale
  vram_mb: 900
  size_mb: 450
  embedded: false
  path: models/mine
  context_margin_ms: 2000
  wide_margin_ms: 4000
  redo_logprob: -0.5
  prompt_allowed: false
  scores:
    - {metric: CER, value: 10, test_set: FLEURS, source: a paper}
"""
    spec = load_catalogue(write(tmp_path, FOUR_LINES + more))["mine"]
    assert spec == ModelSpec(
        id="mine",
        name="Mine",
        description="Good",
        repo="me/mine",
        format=ModelFormat.CT2,
        tier="fast",
        recommended=True,
        revision="0123456789abcdef0123456789abcdef01234567",
        language="en",
        licence="mit",
        terms="Not for sale",
        vram_mb=900,
        size_mb=450,
        path=str(tmp_path / "models" / "mine"),
        context_margin_ms=2000,
        wide_margin_ms=4000,
        redo_logprob=-0.5,
        prompt_allowed=False,
        scores=(PublishedScore("CER", 10.0, "FLEURS", "a paper"),),
    )


def test_empty_optional_values_are_none(tmp_path: Path) -> None:
    text = FOUR_LINES + "  revision:\n  vram_mb: null\n  size_mb:\n  path: ~\n"
    spec = load_catalogue(write(tmp_path, text))["mine"]
    assert (spec.revision, spec.vram_mb, spec.size_mb, spec.path) == (None, None, None, None)


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    spec = load_catalogue(write(tmp_path, f"{FOUR_LINES}  path: '{path}'\n"))["mine"]
    assert spec.path == str(path)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "no models"),
        ("# only a comment\n", 1, "no models"),
        ("[]\n", 1, "no models"),
        ("mine: 3\n", 1, "expected a list, got keys and values"),
        ("- just text\n", 1, "expected keys and values, got str 'just text'"),
        (FOUR_LINES + "  licnce: mit\n", 5, "unknown key 'licnce'"),
        (FOUR_LINES + "  [a]: b\n", 5, "unknown key 'a list'"),
        (FOUR_LINES + "  name: Other\n", 5, "the key 'name' stands here twice"),
        (FOUR_LINES.replace("  repo: me/mine\n", ""), 1, "missing: repo"),
        (FOUR_LINES.replace("  name: Mine\n", "").replace("- id: mine", "- name: x"), 1, "id"),
        (FOUR_LINES + "- id: other\n", 5, "missing: name, repo, format"),
        (FOUR_LINES + FOUR_LINES, 5, "a second model with the id 'mine'"),
        (FOUR_LINES.replace("id: mine", "id: My model"), 1, "lower-case letters"),
        (FOUR_LINES.replace("id: mine", "id: 7"), 1, "expected text (in quotes"),
        (FOUR_LINES.replace("Mine", ""), 2, "expected text (in quotes"),
        (FOUR_LINES.replace("Mine", "' '"), 2, "expected text, got none"),
        (FOUR_LINES.replace("me/mine", "mine"), 3, "expected owner/name, got 'mine'"),
        (FOUR_LINES.replace("me/mine", "me/../mine"), 3, "expected owner/name"),
        (FOUR_LINES.replace("ct2", "onnx"), 4, "expected ct2 or transformers, got 'onnx'"),
        (FOUR_LINES + "  recommended: 1\n", 5, "expected true or false, got int '1'"),
        (FOUR_LINES + "  language: Thai\n", 5, "a language code such as th"),
        (FOUR_LINES + "  vram_mb: -1\n", 5, "from 1 to 1000000, got -1"),
        (FOUR_LINES + "  size_mb: 0\n", 5, "from 1 to 1000000, got 0"),
        (FOUR_LINES + "  vram_mb: 1.5\n", 5, "expected a whole number, got float '1.5'"),
        (FOUR_LINES + "  revision: 1234567\n", 5, "in quotes if it looks like a number"),
        (FOUR_LINES + "  revision: 704c0db1\n", 5, "is a part of a commit's hash"),
        (FOUR_LINES + "  terms: 3\n", 5, "expected text, got int '3'"),
        (FOUR_LINES + "  prompt_allowed: sometimes\n", 5, "expected true or false"),
        (FOUR_LINES + "  context_margin_ms: 30001\n", 5, "from 0 to 30000"),
        (FOUR_LINES + "  context_margin_ms:\n", 5, "expected a whole number, got nothing"),
        (FOUR_LINES + "  description: [a]\n", 5, "expected text, got a list"),
        (FOUR_LINES + "  scores:\n    - metric: CER\n", 6, "missing: value, test_set, source"),
        (
            FOUR_LINES + "  scores:\n    - {metric: a, value: b, test_set: c, source: d}\n",
            6,
            "expected a number, got str 'b'",
        ),
        (
            FOUR_LINES + "  scores:\n    - {metric: a, value: -1, test_set: c, source: d}\n",
            6,
            "expected an error rate in per cent, got -1",
        ),
        (
            FOUR_LINES + "  scores:\n    - {metric: a, value: .nan, test_set: c, source: d}\n",
            6,
            "expected a decimal number",
        ),
        (FOUR_LINES + "  name: [\n", 6, "not YAML: while parsing"),
        (FOUR_LINES + "---\n- id: x\n", 5, "not YAML: expected a single document"),
        (FOUR_LINES + "  tier: *nowhere\n", 5, "not YAML: found undefined alias"),
        ("\x00", 1, "not YAML"),
    ],
)
def test_mistakes_are_named_with_their_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(path)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(tmp_path / "missing.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"- name: \xe9\n")
    with pytest.raises(CatalogueError, match="not UTF-8"):
        load_catalogue(path)
