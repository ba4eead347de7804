from __future__ import annotations

import math

import pytest

from benchmarks.page_metrics import (
    Figure,
    added,
    ages_ms,
    final_event,
    percentile,
    sentences,
    table,
)
from server.messages import FinalTranscription


def test_sentences_are_of_the_wanted_length_and_always_the_same() -> None:
    found = sentences(500)
    assert found == sentences(500)
    assert found != sentences(500, seed=2)
    lengths = {len(text) for text in found}
    assert min(lengths) >= 10
    assert max(lengths) == 60
    assert len(set(found)) > 490


def test_events_have_no_field_that_a_server_does_not_send() -> None:
    event = final_event("สวัสดี", 7)
    assert set(event) - {"type", "is_final"} <= set(FinalTranscription.__struct_fields__)
    assert (event["utterance_id"], event["start_ms"], event["end_ms"]) == (7, 21_000, 23_500)


@pytest.mark.parametrize(
    ("part", "expected"), [(0, 1), (0.5, 5), (0.9, 9), (0.95, 10), (1, 10), (0.01, 1)]
)
def test_percentiles_are_values_that_occurred(part: float, expected: float) -> None:
    assert percentile([7, 1, 9, 3, 5, 2, 8, 4, 10, 6], part) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_age_counts_from_the_promptest_block() -> None:
    assert ages_ms([(1_000, 64), (1_070, 128), (1_120, 192)]) == [8, 14, 0]


def test_the_page_adds_both_parts() -> None:
    figures = {figure.name: figure for figure in added([1, 2, 3], [100, 20, 160])}
    assert figures["added by the page, median"].value == 102
    assert not figures["added by the page, median"].missed
    assert figures["added by the page, p95"].value == 163
    assert figures["added by the page, p95"].missed


def test_what_is_not_below_its_bar_is_missed() -> None:
    assert Figure("a", 50, "ms", 50).missed
    assert Figure("a", math.nan, "ms", 50).missed
    assert not Figure("a", 49.9, "ms", 50).missed
    assert not Figure("a", 1e9, "ms").missed


def test_the_table_names_bars_and_misses() -> None:
    text = table([Figure("paint", 1234.56, "ms", 1000), Figure("size", 119.5, "kB")])
    assert text.splitlines()[2:] == [
        "| paint | 1235 ms | 1000 | missed |",
        "| size | 119.5 kB |  |  |",
    ]
