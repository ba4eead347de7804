"""Writes the tables of docs/models.md from models.yaml.

`python -m server.models_doc` renews the file in place; a test checks that it is up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr.catalogue import Catalogue, load_catalogue
from asr.types import ModelFormat, ModelSpec, PublishedScore

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE_FILE = ROOT / "models.yaml"
DOCUMENT = ROOT / "docs" / "models.md"

BEGIN = "<!-- tables: python -m server.models_doc -->"
END = "<!-- end of tables -->"

BEFORE_CONVERSION = ", of the model before conversion"

ABOUT = ("id", "model", "tier", "ready to load", "VRAM", "files", "licence", "repository")
STREAMING = ("id", "context margin", "wide margin", "redo below", "glossary", "pinned")
SCORES = ("measured by", "test set", "error rate", "models, best first")


def with_tables(document: str, catalogue: Catalogue) -> str:
    """The document with its tables made anew. Raises ValueError without their marks."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{_tables(catalogue)}\n\n{END}{tail}"


def _tables(catalogue: Catalogue) -> str:
    specs = list(catalogue.values())
    terms = [f"- `{spec.id}`: {spec.terms}" for spec in specs if spec.terms]
    parts = [
        "### All models",
        _table(ABOUT, [_about(spec) for spec in specs]),
        "Terms beyond the licence:",
        "\n".join(terms) or "None.",
        "### How they are used in a stream",
        _table(STREAMING, [_streaming(spec) for spec in specs]),
        "### Published error rates",
        "Per cent. A row can be compared within itself and with no other. `*`: measured on the "
        "model before it was converted.",
        _table(SCORES, _score_rows(specs)),
    ]
    return "\n\n".join(parts)


def _about(spec: ModelSpec) -> list[str]:
    ready = "built in" if spec.embedded else "yes"
    return [
        f"`{spec.id}`" + (" ⭐" if spec.recommended else ""),
        spec.name,
        spec.tier,
        "has to be converted" if spec.format is ModelFormat.TRANSFORMERS else ready,
        _megabytes(spec.vram_mb),
        _megabytes(spec.size_mb),
        spec.licence + (", and terms" if spec.terms else ""),
        f"[{spec.repo}](https://huggingface.co/{spec.repo})",
    ]


def _streaming(spec: ModelSpec) -> list[str]:
    return [
        f"`{spec.id}`",
        f"{spec.context_margin_ms} ms",
        f"{spec.wide_margin_ms} ms",
        f"{spec.redo_logprob:g}",
        "given" if spec.prompt_allowed else "ignored",
        f"`{spec.revision[:8]}`" if spec.revision else "",
    ]


def _megabytes(number: int | None) -> str:
    return "" if number is None else f"{number} MB"


def _score_rows(specs: Sequence[ModelSpec]) -> list[list[str]]:
    rows: dict[tuple[str, str, str], list[tuple[float, str]]] = {}
    for spec in specs:
        for score in spec.scores:
            key = (score.source, score.test_set, score.metric.removesuffix(BEFORE_CONVERSION))
            rows.setdefault(key, []).append((score.value, _score(spec, score)))
    return [[*key, ", ".join(text for _, text in sorted(found))] for key, found in rows.items()]


def _score(spec: ModelSpec, score: PublishedScore) -> str:
    mark = r"\*" if score.metric.endswith(BEFORE_CONVERSION) else ""
    return f"`{spec.id}` {score.value:g}{mark}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Renew docs/models.md."""
    made = with_tables(DOCUMENT.read_text(encoding="utf-8"), load_catalogue(CATALOGUE_FILE))
    DOCUMENT.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
