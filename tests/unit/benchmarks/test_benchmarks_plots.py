from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.plots import WIDTH_IN, clip_values, draw, figure, line, over_streams

PNG_BEGIN = b"\x89PNG\r\n"


def streaming_row(profile: str, streams: int, final_s: float | None) -> dict[str, Any]:
    clips = [
        {"first_partial_s": None, "final_s": final_s},
        {"first_partial_s": 0.8, "final_s": 1.5},
    ]
    summary = {
        "profile": profile,
        "streams": streams,
        "final_p50_s": final_s,
        "final_p95_s": final_s,
        "cpu_s_per_audio_s": 0.3,
        "partials_per_speech_s": 0.9,
    }
    return {"summary": summary, "run": {"figures": [{"clips": clips}]}}


def curve_point(axis: str, batch: int, margin_ms: int | None, beam: int) -> dict[str, Any]:
    setting = {
        "axis": axis,
        "batch": batch,
        "workers": 2,
        "threads": 1,
        "margin_ms": margin_ms,
        "beam": beam,
    }
    cost = {"median": 0.2, "low": 0.1, "high": 0.3}
    return {
        "setting": setting,
        "cpu_s_per_speech_s": cost,
        "wall_s_per_utterance": cost,
        "cer": 0.3,
    }


STREAMING = [
    streaming_row("fast", 1, 0.6),
    streaming_row("fast", 1, 0.8),
    streaming_row("balanced", 8, None),
]
CURVE = {
    "model": "a-model",
    "compute_type": "int8",
    "points": [
        curve_point("speed", 1, 1500, 1),
        curve_point("speed", 8, 1500, 1),
        curve_point("context", 1, 500, 1),
        curve_point("context", 1, None, 5),
    ],
}
PEERS = [
    {"peer": "one", "streams": 1, "final_p50_s": 0.6, "cpu_s_per_audio_s": 0.3},
    {"peer": "two", "streams": 4, "final_p50_s": None, "cpu_s_per_audio_s": 1.5},
]


@pytest.mark.parametrize(
    ("source", "rows", "names"),
    [
        (
            "streaming.json",
            STREAMING,
            ["streaming_latency.png", "streaming_distribution.png", "streaming_cost.png"],
        ),
        ("batch_curve.json", CURVE, ["batch_curve_batches.png", "batch_curve_margins.png"]),
        ("peers.json", PEERS, ["peers.png"]),
    ],
)
def test_each_file_is_drawn(tmp_path: Path, source: str, rows: object, names: list[str]) -> None:
    (tmp_path / source).write_text(json.dumps(rows), encoding="utf-8")
    made = draw(tmp_path)
    assert [path.name for path in made] == names
    assert all(path.parent == tmp_path for path in made)
    for path in made:
        content = path.read_bytes()
        assert content.startswith(PNG_BEGIN)
        assert len(content) > 5_000
        assert int.from_bytes(content[16:20]) == 900  # the header's width


def test_nothing_is_drawn_of_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "peers.json").write_text("[]", encoding="utf-8")
    assert draw(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["peers.json"]


def test_repeats_come_together_and_gaps_are_left_out() -> None:
    assert over_streams(STREAMING, "fast", "final_p50_s") == {1: [0.6, 0.8]}
    assert over_streams(STREAMING, "balanced", "final_p50_s") == {}
    assert clip_values(STREAMING, "first_partial_s") == [0.8, 0.8, 0.8]


def test_a_line_runs_through_the_medians() -> None:
    drawing, (axes,) = figure(1, 1, "title")
    line(axes, {8: [3.0], 1: [1.0, 5.0, 2.0], 4: []}, "label", 0)
    (container,) = axes.containers
    assert container[0].get_xydata().tolist() == [[1.0, 2.0], [8.0, 3.0]]
    assert drawing.get_figwidth() == WIDTH_IN
