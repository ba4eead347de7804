from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.noise_report import (
    AloneResult,
    ClipResult,
    by_clip,
    difference,
    missed_share,
    report,
)


def result(clip_id: str, noise: str, mode: str, errors: int) -> ClipResult:
    return ClipResult(
        clip_id=clip_id,
        noise=noise,
        snr_db=None if noise == "clean" else 5.0,
        mode=mode,
        errors=errors,
        reference_chars=20,
        voiced_frames=100,
        missed_frames=10,
        stray_utterances=0,
        text="x",
        cpu_s=0.05,
        audio_s=5.0,
    )


RESULTS = [
    *(result(clip, "clean", mode, 2) for clip in "ab" for mode in ("off", "on")),
    *(result(clip, "pink", "off", errors) for clip, errors in (("a", 10), ("b", 6))),
    *(result(clip, "pink", "on", errors) for clip, errors in (("a", 8), ("b", 4))),
    *(result(clip, "office", "off", 5) for clip in "ab"),
    *(result(clip, "office", "on", 9) for clip in "ab"),
]


def test_a_clip_is_one_unit_over_all_its_conditions() -> None:
    off = [r for r in RESULTS if r.mode == "off"]
    assert by_clip(off) == [(17, 60), (13, 60)]


def test_differences_are_points_against_off() -> None:
    pink = [r for r in RESULTS if r.noise == "pink"]
    assert difference(pink, "on") == pytest.approx((-10, -10, -10))
    noisy = [r for r in RESULTS if r.noise != "clean"]
    assert difference(noisy, "on")[0] == pytest.approx(5.0)


def test_missed_speech_is_weighed_by_length() -> None:
    short = replace(RESULTS[0], voiced_frames=10, missed_frames=10)
    long = replace(RESULTS[0], voiced_frames=90, missed_frames=0)
    assert missed_share([short, long]) == pytest.approx(0.1)
    assert missed_share([]) == 0.0


def test_the_report_has_a_row_for_each_condition() -> None:
    alone = [AloneResult("pink", 5.0, mode, 3, 17, 0.1, 60.0) for mode in ("off", "on")]
    lines = report(RESULTS, alone).splitlines()
    assert "| pink | 5 | 0.400 / 0.300 | 10.0 / 10.0 | 0 / 0 | 0 / 0 |" in lines
    assert "| all noises | +5.0 (+5.0 to +5.0) |" in lines
    assert "| all at 5 dB | +5.0 (+5.0 to +5.0) |" in lines
    assert "| pink | 5 | 3 / 3 | 17 / 17 |" in lines
    assert "| in noise | 10.0 | 10.0 |" in lines
