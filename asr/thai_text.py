"""Thai text as a recogniser gives it: repaired for display, cut only where it may be cut. Pure.

The order rules are those of PyThaiNLP's `reorder_vowels` (pythainlp/util/normalize.py,
Apache-2.0), restated: Unicode normalisation neither orders a tone mark and the vowel above its
consonant (their combining class is 0) nor joins nikhahit and sara aa to sara am.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import Final, NamedTuple

LEADING_VOWELS: Final = "เแโใไ"
FOLLOWERS: Final = "ะาำๅๆฯ"
"""Written after their consonant, on the line; never the first of a piece."""

_INVISIBLE: Final = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad\ufffd]")
_TONES: Final = "\u0e48-\u0e4b"
_MARK_RUN: Final = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]{2,}")
_FOLLOWER_BEFORE_TONE: Final = re.compile(f"([ะาำๅ]+)([{_TONES}]+)")
_SPLIT_SARA_AM: Final = re.compile(f"\u0e4d([{_TONES}]*)า")
_STRAY_LAKKHANGYAO: Final = re.compile("(?<![ฤฦ])ๅ")
_MAIYAMOK: Final = re.compile(r"\s*ๆ(?:\s*ๆ)*")
_SPACES: Final = re.compile(r"\s+")

_MIN_REPEATS: Final = 4
_DIGIT_REPEATS: Final = 10
"""Figures repeat in honest numbers (1,000,000)."""
_MAX_PERIOD: Final = 60
"""Longest repeated unit looked for, in clusters: a sentence of about four seconds."""
_LOOP_SHARE: Final = 0.5
_LOOP_COMPRESSION: Final = 2.4
"""Of cp874 bytes, where honest Thai stays below 1.6; UTF-8 bytes would make any Thai score it."""

_PARTICLE: Final = "(?:นะ)?(?:ครับ|คับ|ค่ะ|คะ|จ้า|จ้ะ)?"
_HALLUCINATIONS: Final = (
    "โปรดติดตามตอนต่อไป",
    "ขอบคุณ(?:สำหรับการ|ที่)(?:รับชม|รับฟัง|ติดตาม)(?:ชม)?",
    "(?:แล้ว)?พบกันใหม่(?:ตอนหน้า|คลิปหน้า|ในคลิปหน้า|ในตอนต่อไป)?",
    "(?:อย่าลืม|ฝาก)?กด(?:ไลค์|ไลก์|แชร์|ติดตาม|กระดิ่ง|ซับสไครป์|subscribe)",
    "ติดตามช่อง",
    "ซับไต(?:เติล|เติ้ล|เทิล)(?:โดย)?",
    "คำบรรยาย(?:ไทย)?โดย(?:ชุมชน)?(?:amaraorg)?",
    "แปลโดย",
    "ดนตรี",
    "เพลง",
    "thank(?:s|you)forwatching",
)
_GREETINGS: Final = (
    "ขอบคุณ(?:มาก)?",
    "สวัสดี",
    "thankyou",
    "thanks",
    "you",
    "bye(?:bye)?",
)


def _whole(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"(?:(?:{'|'.join(phrases)}){_PARTICLE})+")


_WHOLE_HALLUCINATION: Final = _whole(_HALLUCINATIONS)
_WHOLE_GREETING: Final = _whole(_GREETINGS)


def normalise(text: str) -> str:
    """Repair `text` for display. Idempotent; no space is put between Thai words.

    NFC; marks in order, repeated ones once; decomposed sara am, doubled sara e and stray
    lakkhangyao as they are meant; zero-width characters and U+FFFD removed; maiyamok attached,
    once; white space collapsed and stripped.
    """
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()
    while (repaired := _repair_order(text)) != text:
        text = repaired
    return text


def _repair_order(text: str) -> str:
    """One pass of the order rules. Each shortens the text or moves a mark towards its place."""
    text = unicodedata.normalize("NFC", text).replace("เเ", "แ")
    text = _STRAY_LAKKHANGYAO.sub("า", text)
    text = _FOLLOWER_BEFORE_TONE.sub(r"\2\1", text)
    text = _MARK_RUN.sub(lambda run: _ordered_marks(run.group()), text)
    text = _SPLIT_SARA_AM.sub("\\1ำ", text)
    return _MAIYAMOK.sub("ๆ", text)


def _ordered_marks(run: str) -> str:
    """Marks of one consonant: phinthu, vowels, tones, others; each stable, repeats once."""
    marks = sorted(run, key=_mark_place)
    return "".join(
        mark for index, mark in enumerate(marks) if index == 0 or marks[index - 1] != mark
    )


def _mark_place(mark: str) -> int:
    if mark == "\u0e3a":
        return 0
    if mark in "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e47\u0e4d":
        return 1
    return 2 if "\u0e48" <= mark <= "\u0e4b" else 3


def leans_back(character: str) -> bool:
    """Whether a character belongs to the one before it: a mark or a following vowel."""
    return character in FOLLOWERS or unicodedata.category(character).startswith("M")


def may_cut(text: str, position: int) -> bool:
    """Whether `text` may be cut here: not before what leans back, nor after a leading vowel."""
    if position == 0:
        return True
    if text[position - 1] in LEADING_VOWELS:
        return False
    return position == len(text) or not leans_back(text[position])


def safe_boundary(text: str, end: int) -> int:
    """Find the greatest position <= `end` where `text` may be cut.

    Never before a mark or a following vowel, nor directly after a leading vowel; 0 is allowed.
    """
    position = max(0, min(end, len(text)))
    while not may_cut(text, position):
        position -= 1
    return position


def clusters(text: str) -> list[str]:
    """Split `text` at every position where it may be cut. Joined, the pieces are `text`.

    A piece is a consonant with all that is written around it; of other scripts, a character.
    The last piece may be a leading vowel alone, where the text ends on one.
    """
    pieces: list[str] = []
    start = 0
    for position in range(1, len(text) + 1):
        if position == len(text) or may_cut(text, position):
            pieces.append(text[start:position])
            start = position
    return pieces


def spoken(text: str) -> str:
    """`text` normalised, without spaces, punctuation and symbols, in lower case."""
    return "".join(
        character
        for character in normalise(text).lower()
        if unicodedata.category(character)[0] in "LMN"
    )


class Loop(NamedTuple):
    """The longest stretch of a text that repeats one unit, in clusters of that text."""

    start: int
    period: int
    length: int


def find_loop(pieces: list[str]) -> Loop | None:
    """Find the longest stretch in which a unit of clusters follows itself often enough."""
    best: Loop | None = None
    for period in range(1, min(_MAX_PERIOD, len(pieces) // _MIN_REPEATS) + 1):
        run = 0
        for index in range(period, len(pieces) + 1):
            if index < len(pieces) and pieces[index] == pieces[index - period]:
                run += 1
                continue
            loop = Loop(index - run - period, period, run + period)
            run = 0
            if (best is None or loop.length > best.length) and _repeats_enough(pieces, loop):
                best = loop
    return best


def _repeats_enough(pieces: list[str], loop: Loop) -> bool:
    repeats = loop.length // loop.period
    if repeats < _MIN_REPEATS:
        return False
    unit = pieces[loop.start : loop.start + loop.period]
    return repeats >= _DIGIT_REPEATS or not all(piece.isdigit() for piece in unit)


def loop_ratio(text: str) -> float:
    """Share of the spoken clusters of `text`, 0 to 1, that its longest loop covers."""
    pieces = clusters(spoken(text))
    loop = find_loop(pieces)
    return loop.length / len(pieces) if loop else 0.0


def compression_ratio(text: str) -> float:
    """Length of `text` in cp874 bytes over their length after zlib; 0 for an empty text."""
    data = text.encode("cp874", errors="replace")
    return len(data) / len(zlib.compress(data))


def is_loop(text: str) -> bool:
    """Whether most of `text` is one unit over and over, or it says little in many words."""
    return loop_ratio(text) > _LOOP_SHARE or compression_ratio(spoken(text)) > _LOOP_COMPRESSION


def chars_per_second(text: str, audio_s: float) -> float:
    """Spoken characters (marks included, spaces and punctuation not) per second of audio."""
    count = len(spoken(text))
    return count / audio_s if audio_s > 0 else float("inf") if count else 0.0


def is_hallucination(text: str) -> bool:
    """Whether the whole of `text` is what Thai models say to silence (subtitles' boilerplate)."""
    return _WHOLE_HALLUCINATION.fullmatch(spoken(text)) is not None


def is_bare_greeting(text: str) -> bool:
    """Whether the whole of `text` is a greeting or thanks: said to silence, and by people."""
    return _WHOLE_GREETING.fullmatch(spoken(text)) is not None
