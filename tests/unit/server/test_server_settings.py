"""The settings table: every row's bounds, and what the settings mean for a front end."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asr.types import Profile
from audio.types import NoiseReduction, VadKind
from server.setting_rows import SettingError
from server.settings import SESSION_SETTINGS, Settings, check, field_of, parse

ROWS = dataclasses.fields(Settings)
NUMBERS = [row for row in ROWS if row.metadata["low"] is not None]
CHOICES = [row for row in ROWS if row.metadata["choices"]]


def name_of(row: dataclasses.Field[Any]) -> str:
    return row.name


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_every_row_explains_itself_and_takes_its_own_defaults(row: dataclasses.Field[Any]) -> None:
    assert row.metadata["help"]
    assert check(row.name, row.default) == row.default
    if row.metadata["gpu"] is not None:
        assert check(row.name, row.metadata["gpu"]) == row.metadata["gpu"]
    assert parse(row.name, str(row.default)) == row.default


def test_every_number_is_bounded() -> None:
    numbers = {row.name for row in ROWS if type(row.default) in (int, float)}
    assert {row.name for row in NUMBERS} == numbers


@pytest.mark.parametrize("row", NUMBERS, ids=name_of)
def test_bounds(row: dataclasses.Field[Any]) -> None:
    low, high = row.metadata["low"], row.metadata["high"]
    step = 1 if type(row.default) is int else 0.00001
    for inside in (low, high):
        assert check(row.name, inside) == inside
        assert type(check(row.name, inside)) is type(row.default)
        assert parse(row.name, str(inside)) == inside
    for outside in (low - step, high + step):
        with pytest.raises(SettingError, match=f"^{row.name}: takes {low} to {high}, not"):
            check(row.name, outside)
        with pytest.raises(SettingError, match=row.name):
            parse(row.name, str(outside))


@pytest.mark.parametrize("row", CHOICES, ids=name_of)
def test_choices(row: dataclasses.Field[Any]) -> None:
    for choice in row.metadata["choices"]:
        assert check(row.name, choice) == choice
    with pytest.raises(SettingError, match=f"^{row.name}: takes one of .*{row.default}"):
        check(row.name, "something else")


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("end_silence_ms", "500", "a whole number"),
        ("end_silence_ms", 500.0, "a whole number"),
        ("end_silence_ms", True, "a whole number"),
        ("end_silence_ms", None, "a whole number"),
        ("vad_threshold", "0.1", "a number"),
        ("vad_threshold", False, "a number"),
        ("vad_threshold", float("nan"), "0.0001 to 1.0"),
        ("vad_threshold", 10**400, "0.0001 to 1.0"),
        ("vad_threshold", -(10**400), "0.0001 to 1.0"),
        ("drain_s", float("inf"), "0.0 to 600.0"),
        ("offline", 1, "true or false"),
        ("offline", "true", "true or false"),
        ("model", 7, "text"),
        ("vad", None, "text"),
        ("no_such_thing", 1, "no such setting"),
    ],
)
def test_wrong_values_name_the_setting_and_what_it_takes(
    name: str, value: object, takes: str
) -> None:
    with pytest.raises(SettingError, match=f"^{name}: .*{takes}") as caught:
        check(name, value)
    assert caught.value.name == name
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["", "x", "0x10", "1.5", "1e3", "true", "1" * 5_000])
def test_text_that_is_no_whole_number(text: str) -> None:
    with pytest.raises(SettingError, match=r"^end_silence_ms: takes a whole number"):
        parse("end_silence_ms", text)


@pytest.mark.parametrize("text", ["", "0,5", "half", "nan", "inf", "-inf", "1e999"])
def test_text_that_is_no_number_in_bounds(text: str) -> None:
    with pytest.raises(SettingError, match=r"^speech_threshold: takes"):
        parse("speech_threshold", text)


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "Yes", " on "])
def test_text_that_means_true(text: str) -> None:
    assert parse("offline", text) is True


@pytest.mark.parametrize("text", ["0", "false", "No", "OFF\n"])
def test_text_that_means_false(text: str) -> None:
    assert parse("offline", text) is False


@pytest.mark.parametrize("text", ["", "2", "ja", "tru"])
def test_text_that_is_no_truth_value(text: str) -> None:
    with pytest.raises(SettingError, match=r"^offline: takes true or false"):
        parse("offline", text)


def test_changes_are_applied_together_or_not_at_all() -> None:
    before = Settings()
    changed = before.changed({"vad": "energy", "vad_threshold": 1})
    assert (changed.vad, changed.vad_threshold) == ("energy", 1.0)
    with pytest.raises(SettingError, match="end_silence_ms"):
        before.changed({"vad": "energy", "end_silence_ms": 1})
    assert before == Settings()
    assert before.changed({}) == before


def test_a_sessions_settings_are_those_of_its_front_end() -> None:
    """What a session may change live is what `frontend` reads, but for the unit of its counts.

    The glossary is the recogniser's.
    """
    for name in set(SESSION_SETTINGS) - {"glossary"}:
        row = field_of(name)
        assert any(
            Settings(vad=vad).changed({name: other}).frontend() != Settings(vad=vad).frontend()
            for vad in ("silero", "energy")
            for other in others(row)
        ), name


def others(row: dataclasses.Field[Any]) -> list[Any]:
    values = row.metadata["choices"] or (row.metadata["low"], row.metadata["high"])
    return [value for value in values if value != row.default]


def test_a_glossary_has_a_bound_in_characters() -> None:
    thai = "ก" * 200
    assert Settings().changed({"glossary": thai}).glossary == thai
    with pytest.raises(SettingError, match="glossary: takes at most 200 characters, not 201"):
        Settings().changed({"glossary": thai + "ข"})
    assert "glossary" in SESSION_SETTINGS


def test_choices_are_those_of_the_types_they_become() -> None:
    assert field_of("profile").metadata["choices"] == (
        "auto",
        *(p.value for p in Profile),
    )
    assert field_of("vad").metadata["choices"] == tuple(v.value for v in VadKind)
    assert field_of("noise_reduction").metadata["choices"] == tuple(n.value for n in NoiseReduction)


def test_the_front_end_of_the_defaults() -> None:
    frontend = Settings().frontend()
    assert frontend.vad is VadKind.SILERO
    assert (frontend.silero_on, frontend.silero_off) == (0.5, 0.35)
    assert (frontend.min_speech_ms, frontend.end_silence_ms) == (200, 500)
    assert (frontend.soft_end_ms, frontend.hard_end_ms) == (12_000, 15_000)


def test_the_energy_detector_counts_in_chunks() -> None:
    frontend = Settings(vad="energy").frontend()
    assert frontend.energy_threshold == 0.02
    assert frontend.min_speech_ms == 20 * 64
    assert frontend.end_silence_ms == 30 * 64
    halved = Settings(vad="energy", chunk_size=512).frontend()
    assert halved.min_speech_ms == 20 * 32
    assert halved.end_silence_ms == 30 * 32
    longest = Settings(vad="energy", min_speech_chunks=500).frontend()
    assert longest.min_speech_ms == field_of("min_speech_ms").metadata["high"]
    telephone = Settings(vad="energy", sample_rate=8_000).frontend()
    assert telephone.min_speech_ms == 20 * 128


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.95])
def test_speech_ends_below_the_threshold_where_it_begins(threshold: float) -> None:
    frontend = Settings(speech_threshold=threshold).frontend()
    assert 0 < frontend.silero_off < frontend.silero_on == threshold


def test_the_ends_of_an_utterance_keep_their_order() -> None:
    frontend = Settings(soft_end_ms=20_000, hard_end_ms=10_000).frontend()
    assert frontend.soft_end_ms <= frontend.hard_end_ms
    shortest = Settings(vad="energy", silence_threshold=1).frontend()
    assert shortest.end_silence_ms >= shortest.pause_ms
