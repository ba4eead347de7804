"""LocalAgreement-2: what two successive hypotheses agree on is stable. Pure.

Macháček, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System", 2023
(whisper_streaming) agree on words. Thai has none to see in the text, so agreement is on the
pieces of `thai_text.clusters`: a prefix of pieces always ends where Thai may be cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asr.thai_text import (
    LEADING_VOWELS,
    clusters,
    find_loop,
    is_loop,
    leans_back,
    normalise,
)

_LATIN_END: Final = "\u0250"
_NO_END: Final = LEADING_VOWELS + " "
"""No text ends on these."""
_JOINERS: Final = ".,:'’-_/@&"
"""Inside a Latin word or a number when letters or digits stand on both sides."""


@dataclass(frozen=True, slots=True)
class StableText:
    """A partial's text. It starts with `stable_text`, which no later partial changes."""

    text: str
    stable_text: str


class LocalAgreement:
    """The hypotheses of one utterance, each of longer audio than the last."""

    def __init__(self) -> None:
        self._previous: list[str] = []
        self._sure: list[str] | None = None
        """The latest hypothesis that was sure."""
        self._stable: list[str] = []
        self._display: list[str] = []

    def update(self, text: str, *, sure: bool = True, overwrites: bool = True) -> StableText:
        """Take the next hypothesis.

        `stable_text` grows to the longest common prefix of the two latest sure hypotheses,
        without the last piece of the newer one and a Latin word or number that may go on. Where
        a hypothesis contradicts what is stable, the part of it that follows the best alignment is
        put behind the stable text. A loop is not sure, and of it only the first turn counts:
        what follows nobody said.

        The text is that of the hypothesis if it `overwrites` what was shown. Otherwise it
        corrects that only where two hypotheses agree, and adds what follows it: the first decodes
        of an utterance differ from each other more than from the truth, and text that keeps
        changing cannot be read.
        """
        hypothesis = _pieces(text)
        if is_loop("".join(hypothesis)):
            hypothesis, sure, overwrites = hypothesis[: _loop_limit(hypothesis)], False, False
        if not hypothesis:
            return _shown(self._display, self._stable)
        aligned = _behind(self._stable, hypothesis)
        if sure:
            agreed = _held_back(aligned, _common(self._sure or [], aligned))
            if agreed > len(self._stable):
                self._stable = aligned[:agreed]
            self._sure = aligned
        self._display = aligned if overwrites else self._corrected(aligned)
        self._previous = aligned
        return _shown(self._display, self._stable)

    def _corrected(self, aligned: list[str]) -> list[str]:
        agreed = max(_common(self._previous, aligned), len(self._stable))
        return _behind(_behind(aligned[:agreed], self._display), aligned)


def align_prefix(head: Sequence[str], text: Sequence[str]) -> tuple[int, int]:
    """Find the prefix of `text` that is nearest to `head`.

    Returns its edit distance (Levenshtein) and its length; of equally near ones, the length
    nearest to that of `head`, the longer if still equal.
    """
    same = _common(head, text)
    distances = _prefix_distances(head[same:], text[same:])
    target = len(head) - same
    best = min(
        range(len(distances)),
        key=lambda length: (distances[length], abs(length - target), -length),
    )
    return distances[best], same + best


def _prefix_distances(head: Sequence[str], text: Sequence[str]) -> list[int]:
    """Edit distance of `head` to each prefix of `text`, the empty one first.

    Bit-parallel, a column of the table per step: Myers 1999 as given by Hyyrö, "A Bit-Vector
    Algorithm for Computing Levenshtein and Damerau Edit Distances", 2003.
    """
    if not head:
        return list(range(len(text) + 1))
    places: dict[str, int] = {}
    for index, item in enumerate(head):
        places[item] = places.get(item, 0) | 1 << index
    every = (1 << len(head)) - 1
    last = 1 << (len(head) - 1)
    rises, falls = every, 0
    distances = [len(head)]
    for item in text:
        match = places.get(item, 0) | falls
        same = (((match & rises) + rises) ^ rises) | match
        up = falls | (every & ~(same | rises))
        down = rises & same
        distances.append(distances[-1] + (up & last != 0) - (down & last != 0))
        up = up << 1 | 1
        falls = up & same & every
        rises = (down << 1 | ~(same | up)) & every
    return distances


def _pieces(text: str) -> list[str]:
    """Clusters of the normalised text, without what leans on nothing at its beginning."""
    text = normalise(text)
    start = 0
    while start < len(text) and (leans_back(text[start]) or text[start] == " "):
        start += 1
    return clusters(text[start:])


def _behind(head: list[str], pieces: list[str]) -> list[str]:
    """`head`, and of `pieces` what follows the prefix nearest to it."""
    if pieces[: len(head)] == head:
        return pieces
    cut = _word_edge(pieces, align_prefix(head, pieces)[1], head[-1])
    return head + pieces[cut:]


def _shown(pieces: list[str], stable_pieces: list[str]) -> StableText:
    text, stable = "".join(pieces).rstrip(_NO_END), "".join(stable_pieces)
    return StableText(text if len(text) > len(stable) else stable, stable)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _held_back(pieces: list[str], count: int) -> int:
    """The greatest length <= `count` at which nothing that may still change is included."""
    count = min(count, len(pieces) - 1, _loop_limit(pieces))
    while count > 0 and (_inside_word(pieces, count) or not pieces[count - 1].strip(_NO_END)):
        count -= 1
    return count


def _loop_limit(pieces: list[str]) -> int:
    """Where the second turn of the longest loop begins."""
    places = [place for place, piece in enumerate(pieces) if piece != " "]
    loop = find_loop([pieces[place] for place in places])
    return len(pieces) if loop is None else places[loop.start + loop.period]


def _is_wordy(piece: str) -> bool:
    """Whether a piece is a Latin letter or any digit: part of something longer."""
    base = piece.lstrip(LEADING_VOWELS)[:1]
    return base.isdigit() or (base.isalpha() and base < _LATIN_END)


def _inside_word(pieces: list[str], place: int) -> bool:
    """Whether a Latin word or number goes on, or may go on, across `place` (> 0)."""
    left, right = pieces[place - 1], _at(pieces, place)
    if _is_wordy(left):
        if right is None or _is_wordy(right):
            return True
        beyond = _at(pieces, place + 1)
        return right in _JOINERS and (beyond is None or _is_wordy(beyond))
    joined = left in _JOINERS and place > 1 and _is_wordy(pieces[place - 2])
    return joined and (right is None or _is_wordy(right))


def _at(pieces: list[str], place: int) -> str | None:
    return pieces[place] if place < len(pieces) else None


def _word_edge(pieces: list[str], cut: int, before: str) -> int:
    """Move `cut` so that the Latin word or number after it is whole and stands apart."""
    if not 0 < cut < len(pieces) or not _is_wordy(pieces[cut]):
        return cut
    if pieces[cut - 1] == " " and _is_wordy(before):
        return cut - 1
    while cut < len(pieces) and _inside_word(pieces, cut):
        cut += 1
    return cut
