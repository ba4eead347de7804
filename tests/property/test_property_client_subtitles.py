"""Any text becomes cues that fit, in order, with nothing lost; and may be read back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from asr.thai_text import FOLLOWERS, LEADING_VOWELS, clusters
from client.subtitles import MAX_COLUMNS, MAX_LINES, cues
from client.thai_text import width
from tests.support.fake_server import final

THAI = st.text(st.sampled_from("กขคนมรเแโะาิีุู่้็์ำๆ abc1.,"), max_size=300)


@given(THAI, st.integers(0, 10_000_000), st.integers(1, 15_000))
def test_cues_fit_follow_each_other_and_lose_nothing(text: str, start_ms: int, length: int) -> None:
    event = replace(final(text), start_ms=start_ms, end_ms=start_ms + length)
    made = cues([event], clusters)
    lines = [line for cue in made for line in cue.lines]
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(1 <= len(cue.lines) <= MAX_LINES for cue in made)
    assert all(cue.start_ms < cue.end_ms for cue in made)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(made))
    for line in lines:
        assert line.strip() == line != ""
        assert width(line) <= MAX_COLUMNS or len(clusters(line)) == 1
    spoken = " ".join(text.split())
    for before, after in pairwise(lines):
        if f"{before} {after}" not in spoken:  # no space was there to break at
            assert after[0] not in FOLLOWERS
            assert before[-1] not in LEADING_VOWELS
