"""SRT, VTT, TXT and JSON from finals. Pure.

A cue has at most MAX_LINES lines of MAX_COLUMNS columns, broken between words; a final that needs
more becomes several cues, each with its share of the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from asr.thai_text import may_cut
from client.thai_text import fold, width
from server.messages import FinalTranscription

MAX_COLUMNS = 42
MAX_LINES = 2
WORD_JOINER = "\u2060"
"""Invisible; put where SRT, which has no escapes, would read markup or an arrow."""
_SRT_MARKUP = re.compile(r"(?<=<)(?=[A-Za-z/])|(?<=\{)(?=\\)|(?<=--)(?=>)")
_LONE = re.compile("[ก-ฮ]")

WordBreaker = Callable[[str], list[str]]
"""Splits a text into words and spaces; joined, they are the text."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is on the screen from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def cues(
    finals: Sequence[FinalTranscription], words: WordBreaker, *, labels: bool = False
) -> list[Cue]:
    """The cues of finals with text, by time; `labels` puts speakers before what they say."""
    spoken = [final for final in finals if final.text.strip()]
    found = [cue for final in spoken for cue in _cues_of(final, words, labels)]
    return sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms))


def srt(finals: Sequence[FinalTranscription], words: WordBreaker) -> str:
    """SubRip; who speaks is said where there are several streams."""
    several = len({final.stream_id for final in finals}) > 1
    blocks = []
    for number, cue in enumerate(cues(finals, words, labels=several), 1):
        text = _SRT_MARKUP.sub(WORD_JOINER, "\n".join(cue.lines))
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def vtt(finals: Sequence[FinalTranscription], words: WordBreaker) -> str:
    """WebVTT, with speakers as voices."""
    blocks = ["WEBVTT\n"]
    for cue in cues(finals, words):
        voice = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        blocks.append(f"{times}\n{voice}{_escaped(chr(10).join(cue.lines))}\n")
    return "\n".join(blocks)


def txt(finals: Sequence[FinalTranscription]) -> str:
    """A line for each final, with its speaker where there is one."""
    return "".join(
        f"{f'[{final.speaker}] ' if isinstance(final.speaker, str) else ''}{final.text}\n"
        for final in _by_time(finals)
    )


def json_text(finals: Sequence[FinalTranscription]) -> str:
    """A list of the finals, with every field of the protocol."""
    encoded = msgspec.json.encode(_by_time(finals))
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _by_time(finals: Sequence[FinalTranscription]) -> list[FinalTranscription]:
    spoken = [final for final in finals if final.text.strip()]
    return sorted(spoken, key=lambda final: (final.start_ms, final.end_ms))


def _cues_of(final: FinalTranscription, words: WordBreaker, labels: bool) -> Iterator[Cue]:
    speaker = final.speaker if isinstance(final.speaker, str) else None
    label = [f"[{speaker}] "] if labels and speaker else []
    lines = balanced(label + glued(words(" ".join(final.text.split()))))
    groups = [tuple(lines[i : i + MAX_LINES]) for i in range(0, len(lines), MAX_LINES)]
    end_ms = max(final.end_ms, final.start_ms + len(groups))
    sizes = [max(1, sum(map(width, group))) for group in groups]
    shown = [sum(sizes[:count]) / sum(sizes) for count in range(len(groups) + 1)]
    times = [final.start_ms + round(share * (end_ms - final.start_ms)) for share in shown]
    for group, (start, end) in zip(groups, pairwise(times), strict=True):
        yield Cue(start, end, group, speaker)


def glued(words: list[str]) -> list[str]:
    """Words, joined where a line may not be broken between them.

    A consonant alone is what a dictionary leaves of a word that it does not know.
    """
    pieces: list[str] = []
    before = " "
    for word in filter(None, words):
        lone = _LONE.fullmatch(before) or _LONE.fullmatch(word)
        unknown = lone and not before.isspace() and not word.isspace()
        if pieces and (unknown or not may_cut(pieces[-1] + word, len(pieces[-1]))):
            pieces[-1] += word
        else:
            pieces.append(word)
        before = word
    return pieces


def balanced(words: list[str]) -> list[str]:
    """As few lines as MAX_COLUMNS allows, as even as they can be."""
    lines = fold(words, MAX_COLUMNS)
    least = -(-sum(map(width, lines)) // max(1, len(lines)))
    for columns in range(least, MAX_COLUMNS):
        even = fold(words, columns)
        if len(even) <= len(lines):
            return even
    return lines


def _clock(ms: int, comma: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{comma}{ms:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
