"""Silence is told of once, until somebody speaks."""

from __future__ import annotations

from server.quiet import Quiet

SECOND = 16_000


def test_long_silence_is_told_once() -> None:
    quiet = Quiet()
    assert [quiet.lasts(5 * SECOND) for _ in range(6)] == [False] * 3 + [True] + [False] * 2


def test_speech_begins_the_count_anew() -> None:
    quiet = Quiet()
    assert quiet.lasts(16 * SECOND)
    quiet.ended()
    assert not quiet.lasts(15 * SECOND)
    assert quiet.lasts(1)
