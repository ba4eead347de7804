"""Which clip a text belongs to, and what each clip got. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.peers.protocol import Text
from benchmarks.scoring import cer
from benchmarks.stream_metrics import Placed

EARLY_S = 0.5
"""A clip owns the audio from this long before its start, for ranges that begin in the silence."""

COVERS = 0.5
"""A text that covers this share of a clip's voiced part belongs to that clip too."""


@dataclass(frozen=True, slots=True)
class ClipTexts:
    """What a stream showed of one clip: times are None where it showed nothing in the end.

    `first_text_s` counts from the first voiced sample, `final_s` from the last: to the last final
    of the clip, or the last change of its text where the peer has no finals.
    """

    clip_id: str
    first_text_s: float | None
    final_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class StreamTexts:
    """What a stream showed. Errors are those of all its text against all its references.

    So they do not depend on which clip a text was given to.
    """

    clips: tuple[ClipTexts, ...]
    errors: int
    reference_chars: int
    text: str


def match(placed: Sequence[Placed], texts: Sequence[Text]) -> StreamTexts:
    """Give every text to its clips and score the stream; texts in the order of their times."""
    shown: dict[str, Text] = {}
    tracks = [_Track() for _ in placed]
    for at_s, group in itertools.groupby(texts, key=lambda text: text.at_s):
        finals: set[int] = set()
        for text in group:
            shown[text.key] = text
            finals |= owners(placed, text) if text.is_final and text.text.strip() else set()
        for index, track in enumerate(tracks):
            own = [text for text in shown.values() if index in owners(placed, text)]
            track.update(at_s, _joined(own), is_final=index in finals)
    whole = _joined(list(shown.values()))
    errors, length = cer(" ".join(place.clip.text for place in placed), whole)
    clips = (track.result(place) for track, place in zip(tracks, placed, strict=True))
    return StreamTexts(tuple(clips), errors, length, whole)


def owners(placed: Sequence[Placed], text: Text) -> set[int]:
    """The clip that has most of a text's range, and those whose speech it covers by half."""
    edges = [0.0, *(place.start_s - EARLY_S for place in placed[1:]), math.inf]
    slots = itertools.pairwise(edges)
    inside = [min(text.end_s, high) - max(text.start_s, low) for low, high in slots]
    found = {max(range(len(placed)), key=inside.__getitem__)}
    for index, place in enumerate(placed):
        low, high = place.first_voice_s, place.last_voice_s
        covered = min(text.end_s, high) - max(text.start_s, low)
        if covered >= COVERS * (high - low):
            found.add(index)
    return found


class _Track:
    """The text of one clip over time."""

    def __init__(self) -> None:
        self._text = ""
        self._first_at_s: float | None = None
        self._changed_at_s: float | None = None
        self._final_at_s: float | None = None

    def update(self, at_s: float, text: str, *, is_final: bool) -> None:
        if text != self._text:
            self._text, self._changed_at_s = text, at_s
        if text and self._first_at_s is None:
            self._first_at_s = at_s
        if is_final:
            self._final_at_s = at_s

    def result(self, place: Placed) -> ClipTexts:
        last_at_s = self._changed_at_s if self._final_at_s is None else self._final_at_s
        if not self._text or self._first_at_s is None or last_at_s is None:
            return ClipTexts(place.clip.id, None, None, "")
        return ClipTexts(
            clip_id=place.clip.id,
            first_text_s=self._first_at_s - place.first_voice_s,
            final_s=last_at_s - place.last_voice_s,
            text=self._text,
        )


def _joined(texts: list[Text]) -> str:
    ordered = sorted(texts, key=lambda text: text.start_s)
    return " ".join(stripped for text in ordered if (stripped := text.text.strip()))
