"""Strict readers of the subtitle formats that the page writes. ValueError for what is not one."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

HOURS = r"(\d{2,}):([0-5]\d):([0-5]\d)"


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: when, who (where the format says so), and its lines."""

    start_ms: int
    end_ms: int
    lines: list[str]
    speaker: str | None = None


def read_srt(text: str) -> list[Cue]:
    """The cues of a SubRip file, numbered from 1 without gaps."""
    cues = []
    for number, block in enumerate(_blocks(text), start=1):
        if block[0] != str(number):
            raise ValueError(f"cue {number} is numbered {block[0]!r}")
        cues.append(_cue(block[1:], ","))
    return cues


def read_vtt(text: str) -> list[Cue]:
    """The cues of a WebVTT file whose only tag is a voice at the start of a cue."""
    header, *blocks = _blocks(text)
    if header != ["WEBVTT"]:
        raise ValueError(f"no WebVTT header: {header}")
    return [_voice(_cue(block, ".")) for block in blocks]


def _blocks(text: str) -> list[list[str]]:
    if not text.endswith("\n") or text.endswith("\n\n"):
        raise ValueError("the file does not end with one line end")
    return [block.split("\n") for block in text.removesuffix("\n").split("\n\n")]


def _cue(block: list[str], mark: str) -> Cue:
    one = HOURS + re.escape(mark) + r"(\d{3})"
    match = re.fullmatch(f"{one} --> {one}", block[0])
    if match is None:
        raise ValueError(f"not a time: {block[0]!r}")
    lines = block[1:]
    if not lines or not all(line.strip() for line in lines):
        raise ValueError(f"not the text of a cue: {lines}")
    h, m, s, ms = (int(group) for group in match.groups()[:4])
    h2, m2, s2, ms2 = (int(group) for group in match.groups()[4:])
    return Cue(_ms(h, m, s, ms), _ms(h2, m2, s2, ms2), lines)


def _ms(hours: int, minutes: int, seconds: int, ms: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def _voice(cue: Cue) -> Cue:
    first = re.fullmatch(r"(?:<v ([^<>]+)>)?(.*)", cue.lines[0])
    if first is None:
        raise ValueError(f"an odd tag: {cue.lines[0]!r}")
    lines = [first[2], *cue.lines[1:]]
    for line in lines:
        if re.search(r"[<>]|&(?!amp;|lt;|gt;)", line):
            raise ValueError(f"not escaped: {line!r}")
    speaker = None if first[1] is None else html.unescape(first[1])
    return Cue(cue.start_ms, cue.end_ms, [html.unescape(line) for line in lines], speaker)
