"""The tables of docs/models.md are those of the catalogue."""

from __future__ import annotations

import pytest

from asr.catalogue import load_catalogue
from asr.types import ModelFormat, ModelSpec, PublishedScore
from server.models_doc import BEGIN, CATALOGUE_FILE, DOCUMENT, END, with_tables

FRAME = f"before\n{BEGIN}\nold\n{END}\nafter\n"


def score(metric: str, value: float, source: str = "a paper") -> PublishedScore:
    return PublishedScore(metric, value, "FLEURS", source)


MODELS = {
    "good": ModelSpec(
        "good",
        "Good",
        "",
        "o/good",
        ModelFormat.CT2,
        "fast",
        recommended=True,
        revision="0123456789" * 4,
        vram_mb=900,
        scores=(score("CER", 7.5), score("CER", 1.0, "a card")),
    ),
    "better": ModelSpec(
        "better",
        "Better",
        "",
        "o/better",
        ModelFormat.TRANSFORMERS,
        "accurate",
        terms="Ask first.",
        prompt_allowed=False,
        scores=(score("CER, of the model before conversion", 6.0),),
    ),
}


def test_the_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_tables(text, load_catalogue(CATALOGUE_FILE)) == text, "python -m server.models_doc"


def test_every_model_has_its_rows_and_the_rest_of_the_document_stays() -> None:
    made = with_tables(FRAME, MODELS)
    assert made.startswith(f"before\n{BEGIN}\n")
    assert made.endswith(f"{END}\nafter\n")
    assert "old" not in made
    assert "| `good` ⭐ | Good | fast | yes | 900 MB |" in made
    assert (
        "| `better` | Better | accurate | has to be converted |  |  | unknown, and terms |" in made
    )
    assert "| `good` | 1500 ms | 30000 ms | -0.7 | given | `01234567` |" in made
    assert "| `better` | 1500 ms | 30000 ms | -0.7 | ignored |  |" in made
    assert "- `better`: Ask first." in made


def test_only_scores_of_one_source_metric_and_test_set_share_a_row() -> None:
    made = with_tables(FRAME, MODELS)
    assert r"| a paper | FLEURS | CER | `better` 6\*, `good` 7.5 |" in made
    assert "| a card | FLEURS | CER | `good` 1 |" in made


def test_making_it_twice_changes_nothing() -> None:
    made = with_tables(FRAME, MODELS)
    assert with_tables(made, MODELS) == made


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_document_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no '<!-- tables"):
        with_tables(text, MODELS)


def test_the_document_names_every_key_of_an_entry() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for key in ModelSpec.__dataclass_fields__:
        assert f"`{key}`" in text, key
