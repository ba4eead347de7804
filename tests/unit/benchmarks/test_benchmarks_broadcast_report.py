from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.broadcast_report import FIGURES, Block, Kind, Window, difference, message_us, report

WINDOW = Window(
    core_share=0.10,
    messages_per_s=16.0,
    whole_way_ms=(50.0, 60.0, 70.0),
    fan_out_ms=(4.0, 5.0, 9.0),
    lag_p99_ms=3.0,
    merged=0,
)


def block(noise: float = 0.0) -> Block:
    """Viewers cost 5 % of a core, frozen ones 1 ms; other work of the machine hits all alike."""
    alone = replace(WINDOW, core_share=0.10 + noise, fan_out_ms=())
    viewers = replace(WINDOW, core_share=0.15 + noise)
    frozen = replace(viewers, whole_way_ms=(51.0, 61.0, 71.0), merged=100)
    return {Kind.ALONE: alone, Kind.VIEWERS: viewers, Kind.AGAIN: viewers, Kind.FROZEN: frozen}


NOISES = (0.0, 0.3, 0.1, 0.5, 0.2, 0.4)


def test_differences_are_of_windows_of_one_block() -> None:
    blocks = [block(noise) for noise in NOISES]
    share = FIGURES["server, % of a core"]
    costs = difference(blocks, share, Kind.ALONE, Kind.VIEWERS)
    assert costs == pytest.approx([5.0] * len(NOISES))


def test_the_cost_of_a_message_to_a_viewer() -> None:
    assert message_us([block()], viewers=100) == pytest.approx(0.05 / 1_600 * 1e6)


def test_a_report_tells_cost_change_and_what_is_by_chance() -> None:
    lines = report([block(noise) for noise in NOISES], viewers=100).splitlines()
    rows = {line.split(" | ")[0].strip("| "): line for line in lines if line.startswith("|")}
    assert "| 40.0 (27.5-52.5) |" in rows["all"]
    assert "| viewers cost | +5.0 [+5.0 +5.0] | +0.0 [+0.0 +0.0] |" in rows["viewers cost"]
    assert "| the same again | +0.0 [" in rows["the same again"]
    assert "| +1.0 [+1.0 +1.0] |" in rows["frozen ones change"]
    assert rows["all, and frozen ones"].endswith("| 600 |")
    assert rows["none"].split(" | ")[5] == "-", "nobody was there to be late"


def test_few_blocks_have_no_interval() -> None:
    text = report([block()], viewers=100)
    assert "| viewers cost | +5.0 | +0.0 |" in text
