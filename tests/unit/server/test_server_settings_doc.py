"""docs/configuration.md is the settings table of this version."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from server.settings import Settings
from server.settings_doc import COLUMNS, configuration_markdown

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"


def rows() -> dict[str, list[str]]:
    """Cells by name."""
    lines = (re.split(r"(?<!\\)\|", line)[1:-1] for line in configuration_markdown().splitlines())
    tables = [[cell.strip() for cell in cells] for cells in lines if len(cells) == len(COLUMNS)]
    return {cells[0].strip("`"): cells for cells in tables if cells[0].startswith("`")}


def test_the_document_is_up_to_date() -> None:
    made = configuration_markdown()
    assert DOCUMENT.read_text(encoding="utf-8") == made, (
        "python -m server.settings_doc > docs/configuration.md"
    )


def test_every_setting_has_a_row_in_the_tables_order() -> None:
    assert tuple(rows()) == Settings.names()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        (
            "control_port",
            "`8765` `8765` `--control-port` `THAI_ASR_CONTROL_PORT` restart server",
        ),
        (
            "compute_type",
            "`auto` `float16` `--compute-type` `THAI_ASR_COMPUTE_TYPE` restart server",
        ),
        ("end_silence_ms", "`500` `500`  `THAI_ASR_END_SILENCE_MS` live session"),
        ("offline", "`false` `false` `--offline` `THAI_ASR_OFFLINE` restart server"),
    ],
)
def test_the_cells_of_a_row(name: str, cells: str) -> None:
    assert " ".join(rows()[name][1:-1]) == cells


def test_meanings_come_with_their_bounds() -> None:
    assert rows()["chunk_size"][-1].endswith("(64 to 16384)")
    assert rows()["profile"][-1].endswith("(auto, fast, balanced, accurate)")
    assert rows()["glossary"][-1].endswith("(at most 200 characters)")
    assert rows()["cache_dir"][1] == "empty"


def test_every_published_name_is_mapped_to_a_setting() -> None:
    published = (
        "SAMPLE_RATE CHUNK_SIZE CHANNELS AUDIO_FORMAT gpu_memory_fraction compute_type "
        "num_workers batch_size vad_threshold silence_threshold min_speech_chunks"
    )
    found = re.findall(r"^\| `(\w+) = [^`]+` \| `(\w+)` \| \S", configuration_markdown(), re.M)
    assert [theirs for theirs, _ in found] == published.split()
    assert {ours for _, ours in found} <= {row.name for row in dataclasses.fields(Settings)}
