"""The models.yaml of this version: every entry says what a person needs to choose it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from asr.catalogue import load_catalogue
from asr.types import ModelFormat, ModelSpec

CATALOGUE = load_catalogue(Path(__file__).parents[3] / "models.yaml")
TIERS = ("fast", "balanced", "accurate", "basic")
LICENCES = {"mit", "apache-2.0", "cc-by-4.0"}
ABOUT_SIZE_MB = {"small": 484, "medium": 1_528}
"""Parameters in float16, by the word in a repository's name."""

every_model = pytest.mark.parametrize("spec", CATALOGUE.values(), ids=lambda spec: spec.id)


@every_model
def test_an_entry_is_complete(spec: ModelSpec) -> None:
    assert spec.description.endswith(".")
    assert spec.tier in TIERS
    assert spec.licence in LICENCES
    assert spec.language == "th"
    assert spec.path is None
    assert 0 < spec.context_margin_ms <= spec.wide_margin_ms
    assert -2 < spec.redo_logprob < 0


@every_model
def test_scores_say_what_they_are_and_where_they_are_from(spec: ModelSpec) -> None:
    assert spec.scores
    for score in spec.scores:
        assert re.match(r"(CER|WER)\b", score.metric)
        assert 0 < score.value < 100
        assert len(score.source) > 10
    measured = Counter((score.metric, score.test_set) for score in spec.scores)
    assert set(measured.values()) == {1}, "one figure for a metric and a test set"


@every_model
def test_scores_of_a_copy_say_that_the_original_was_measured(spec: ModelSpec) -> None:
    copied = spec.format is ModelFormat.CT2 and not spec.repo.startswith(("openai/", "mobiuslabs"))
    for score in spec.scores:
        assert score.metric.endswith(", of the model before conversion") is copied


@every_model
def test_a_pin_is_a_full_hash(spec: ModelSpec) -> None:
    assert spec.revision is None or re.fullmatch(r"[0-9a-f]{40}", spec.revision)


@every_model
def test_the_terms_of_typhoon_are_told(spec: ModelSpec) -> None:
    typhoon = "/typhoon-" in spec.repo
    assert ("OpenTyphoon" in spec.terms) is typhoon
    if typhoon:
        assert not spec.prompt_allowed


@every_model
def test_what_has_to_be_converted_says_so(spec: ModelSpec) -> None:
    converted = "to be converted" in spec.description
    assert converted is (spec.format is ModelFormat.TRANSFORMERS)


def test_names_and_repositories_are_told_apart() -> None:
    assert len({spec.name for spec in CATALOGUE.values()}) == len(CATALOGUE)
    assert len({spec.repo for spec in CATALOGUE.values()}) == len(CATALOGUE)


def test_the_recommended_stand_first_and_are_those_of_the_specification() -> None:
    recommended = [spec.id for spec in CATALOGUE.values() if spec.recommended]
    assert recommended == ["biodatlab-medium-faster", "biodatlab-faster", "pathumma-large"]
    assert list(CATALOGUE)[: len(recommended)] == recommended


@pytest.mark.parametrize(
    ("model_id", "tier", "vram_mb"),
    [
        ("biodatlab-faster", "fast", 3_000),
        ("biodatlab-medium-faster", "balanced", 5_000),
        ("pathumma-large", "accurate", 7_000),
    ],
)
def test_the_models_of_the_specification(model_id: str, tier: str, vram_mb: int) -> None:
    assert (CATALOGUE[model_id].tier, CATALOGUE[model_id].vram_mb) == (tier, vram_mb)


def test_the_default_model_is_described_as_published() -> None:
    default = CATALOGUE["biodatlab-medium-faster"]
    assert default.repo == "Vinxscribe/biodatlab-whisper-th-medium-faster"
    assert default.name == "Biodatlab Whisper Thai Medium (Faster)"
    assert default.description.startswith("Thai-optimized medium model")


def test_the_fastest_model_is_really_the_smallest_of_the_three() -> None:
    def about_mb(model_id: str) -> int:
        repo = CATALOGUE[model_id].repo
        return next(size for word, size in ABOUT_SIZE_MB.items() if f"-{word}-" in repo)

    assert about_mb("biodatlab-faster") < about_mb("biodatlab-medium-faster")


def test_whisper_base_alone_is_built_in() -> None:
    assert [spec.id for spec in CATALOGUE.values() if spec.embedded] == ["whisper-base"]
    assert not CATALOGUE["whisper-base"].recommended
    assert CATALOGUE["whisper-base"].tier == "basic"
