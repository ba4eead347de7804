from __future__ import annotations

import pytest

from asr.effects import FinalText
from audio.types import EndReason
from benchmarks.endpointing import DEFAULT_MS, LONG_MS, adaptive, fixed
from benchmarks.endpointing_report import (
    Outcome,
    Part,
    Tally,
    judge,
    median_difference_ms,
    report,
)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("สวัสดีครับ", 300),
        ("ไปไหนมาคะ ", 300),
        ("ขอบคุณนะ\u200bคะ.", 300),
        ("กินข้าวแล้ว", 300),
        ("คลิกที่รูปภาพที่", LONG_MS),
        ("เขาบอกว่า", LONG_MS),
        ("แล้วก็ ", LONG_MS),
        ("คลิกบนตัวปลา", DEFAULT_MS),
        ("พวกเราชนะ", DEFAULT_MS),
        ("ทุกพื้นที่", DEFAULT_MS),
        ("", DEFAULT_MS),
    ],
)
def test_the_ending_chooses_the_silence(text: str, expected_ms: int) -> None:
    assert adaptive(300)(text) == expected_ms
    assert fixed(400)(text) == 400


def final(start: int, end: int, text: str = "") -> FinalText:
    return FinalText(
        utterance_id=1,
        revision=1,
        text=text,
        start_sample=start,
        end_sample=end,
        end_reason=EndReason.SILENCE,
        decode_s=0.0,
        confidence=1.0,
        model_id="m",
        reason=None,
        silent=False,
    )


PARTS = [Part("a", "หนึ่งสอง", (16_000, 48_000)), Part("b", "สาม", (64_000, 80_000))]


def test_one_utterance_for_each_part() -> None:
    outcome = Outcome(
        (final(12_000, 51_000, "หนึ่งสอง"), final(60_000, 83_000, "สาม")), (56_000, 84_000), ()
    )
    tally = judge([(PARTS, outcome)])
    assert tally.latency_ms == (500.0, 250.0)
    assert (tally.extra_utterances, tally.merged, tally.lost) == ((0, 0), 0, 0)
    assert tally.scores == ((0, 11),)


def test_a_part_that_was_cut_is_timed_by_its_last_utterance() -> None:
    finals = (final(12_000, 30_000), final(32_000, 51_000), final(60_000, 83_000))
    tally = judge([(PARTS, Outcome(finals, (35_000, 56_000, 84_000), ()))])
    assert tally.extra_utterances == (1, 0)
    assert tally.latency_ms[0] == 500.0


def test_parts_in_one_utterance_are_merged_and_the_first_has_no_endpoint() -> None:
    tally = judge([(PARTS, Outcome((final(12_000, 83_000),), (96_000,), ()))])
    assert (tally.merged, tally.lost, tally.extra_utterances) == (1, 0, (0, 0))
    assert tally.latency_ms == (None, 1_000.0)


def test_a_part_without_an_utterance_is_lost() -> None:
    tally = judge([(PARTS, Outcome((final(12_000, 64_700),), (70_000,), ()))])
    assert tally.lost == 1  # 44 ms of it are not enough
    assert tally.latency_ms[1] is None


def each_alone(*latency_ms: int, pauses: tuple[tuple[str, int], ...] = ()) -> Tally:
    """The parts as recordings of their own."""
    return judge(
        [
            (
                [part],
                Outcome((final(*part.voiced, part.text),), (part.voiced[1] + 16 * ms,), pauses),
            )
            for part, ms in zip(PARTS, latency_ms, strict=True)
        ]
    )


def test_recordings_are_judged_apart() -> None:
    tally = each_alone(500, 400)
    assert (tally.merged, tally.lost) == (0, 0)
    assert len(tally.scores) == 2


def test_latencies_are_compared_in_pairs() -> None:
    ours, theirs = each_alone(300, 200), each_alone(500, 400)
    assert median_difference_ms(ours, theirs, rounds=100) == (-200.0, -200.0, -200.0)


def test_the_report_counts_pauses_made_shorter_and_longer() -> None:
    ours = each_alone(300, 300, pauses=(("ครับ", 300), ("ที่", 800), ("ปลา", 500)))
    lines = report({"fixed": each_alone(500, 500), "ours": ours}, "fixed", 500).splitlines()
    assert lines[-1] == (
        "| ours | 300 | 300 | -200 (-200 to -200) | 0 | 0 | 0 | 0.000 | +0.0 (+0.0 to +0.0) "
        "| 6 | 2 | 2 |"
    )
