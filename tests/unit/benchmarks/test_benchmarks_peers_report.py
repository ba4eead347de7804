from __future__ import annotations

import pytest

from benchmarks.peers.matching import ClipTexts, StreamTexts
from benchmarks.peers.report import Run, cpu_ratios, table


def run(
    peer: str,
    repeat: int = 0,
    *,
    streams: int = 1,
    cpu_s: float = 10.0,
    audio_s: float = 20.0,
    refused: tuple[str, ...] = (),
    texts: tuple[StreamTexts, ...] | None = None,
) -> Run:
    if texts is None:
        clips = (ClipTexts("a", 0.5, 1.0, "ก"), ClipTexts("b", 1.5, 3.0, "ข"))
        texts = (StreamTexts(clips, 1, 8, "ก ข"),)
    return Run(
        peer=peer,
        streams=streams,
        repeat=repeat,
        audio_s=audio_s,
        cpu_s=cpu_s,
        peak_rss_mb=400.4,
        load_average=0.5,
        refused=refused,
        broken=(),
        texts=texts,
    )


def test_summary() -> None:
    summary = run("ours").summary()
    assert summary["first_p50_s"] == 1.0
    assert summary["final_p50_s"] == 2.0
    assert summary["final_p95_s"] == 2.9
    assert summary["cer"] == 0.125
    assert summary["cpu_s_per_audio_s"] == 0.5
    assert (summary["clips"], summary["no_text"]) == (2, 0)


def test_summary_of_a_server_that_refused_all() -> None:
    summary = run("whisperlive", audio_s=0.0, cpu_s=0.0, refused=("wait",), texts=()).summary()
    assert summary["refused"] == 1
    assert {summary[name] for name in ("first_p50_s", "final_p95_s", "cer")} == {None}
    assert summary["cpu_s_per_audio_s"] is None


def test_summary_counts_clips_without_text() -> None:
    silent = ClipTexts("b", None, None, "")
    texts = (StreamTexts((ClipTexts("a", 0.5, 1.0, "ก"), silent), 4, 8, "ก"),)
    summary = run("ours", texts=texts).summary()
    assert summary["no_text"] == 1
    assert summary["final_p95_s"] == 1.0


def test_ratios_pair_repeats() -> None:
    runs = [
        run("ours", 0, cpu_s=2.0),
        run("realtimestt", 0, cpu_s=10.0),
        run("ours", 1, cpu_s=4.0),
        run("realtimestt", 1, cpu_s=40.0, audio_s=40.0),
        run("ours", 2),
        run("ours", 0, streams=4, cpu_s=9.0),
    ]
    assert cpu_ratios(runs, "realtimestt", 1) == pytest.approx([0.2, 0.2])
    assert cpu_ratios(runs, "realtimestt", 4) == []


def test_table() -> None:
    runs = [
        run("ours", 0, cpu_s=2.0),
        run("realtimestt", 0, cpu_s=30.0),
        run("ours", 1, cpu_s=4.0),
        run("realtimestt", 1, cpu_s=40.0),
        run("ours", 2, cpu_s=8.0),
        run("realtimestt", 2, cpu_s=20.0, refused=("full", "full")),
        run("ours", 0, streams=4),
    ]
    head, rule, *rows = table(runs).splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in (head, *rows)]
    assert len({len(row) for row in (head, rule, *rows)}) == 1
    by_name = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    assert [(row["peer"], row["streams"], row["repeats"]) for row in by_name] == [
        ("ours", "1", "3"),
        ("realtimestt", "1", "3"),
        ("ours", "4", "1"),
    ]
    ours, theirs, _ = by_name
    assert ours["CPU s / audio s"] == "0.200 [0.100 .. 0.400]"
    assert theirs["CPU s / audio s"] == "1.500 [1.000 .. 2.000]"
    assert ours["our CPU / its CPU"] == ""
    assert theirs["our CPU / its CPU"] == "0.10 [0.07 .. 0.40]"
    assert (ours["refused"], theirs["refused"]) == ("0", "2")
    assert theirs["clips"] == "6"
