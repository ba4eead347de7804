"""Text said twice where a long utterance was split with overlapping audio. Pure."""

from __future__ import annotations

from asr.thai_text import clusters

MAX_OVERLAP_CLUSTERS = 8
"""A quarter of a second of audio holds two syllables at most; more is a real repetition."""


def without_repeated_head(previous: str, text: str) -> str:
    """`text` without the longest head (in Thai-safe clusters) that `previous` ends with.

    `text` is the utterance whose audio began before the split that ended `previous`. One
    character alone is no syllable: it is the same by chance and stays.
    """
    tail = clusters(previous.rstrip())[-MAX_OVERLAP_CLUSTERS:]
    head = clusters(text.lstrip())
    for length in range(min(len(tail), len(head)), 0, -1):
        if tail[-length:] == head[:length] and len("".join(head[:length])) > 1:
            return "".join(head[length:]).lstrip()
    return text
