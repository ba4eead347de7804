"""Plain text output: finals as lines, the latest partial as one live line of a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TextIO

from server.messages import FinalTranscription, RealtimeTranscription

ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})
WIDE = frozenset("WF")
MIN_LIVE_COLUMNS = 10


class PlainView:
    """Finals go to `out`, a line each; everything about them goes to `err`.

    With `live`, the last line of the terminal shows what is being said. Streams of other clients
    are labelled with their speaker.
    """

    def __init__(self, out: TextIO, err: TextIO, *, live: bool, columns: Callable[[], int]) -> None:
        self.own_streams: tuple[str, ...] = ()
        self._out = out
        self._err = err
        self._live = live
        self._columns = columns
        self._shown_columns = 0
        self._partials: dict[str, str] = {}

    def partial(self, event: RealtimeTranscription) -> None:
        """What is being said, so far."""
        self._show_live(event)

    def final(self, event: FinalTranscription) -> None:
        """What was said. A provisional one is live: another final of the utterance follows."""
        if event.provisional is True:
            self._show_live(event)
            return
        self._partials.pop(event.stream_id, None)
        self._erase()
        if event.text:
            self._out.write(self._labelled(event) + "\n")
            self._out.flush()
        self._draw()

    def utterance_lost(self, stream_id: str) -> None:
        """No final will come for what is being said."""
        self._partials.pop(stream_id, None)
        self._draw()

    def note(self, text: str) -> None:
        """Something about the transcript, not of it."""
        self._erase()
        self._out.flush()
        self._err.write(text + "\n")
        self._err.flush()
        self._draw()

    def close(self) -> None:
        """Leave the terminal's last line clean."""
        self._partials.clear()
        self._erase()
        self._out.flush()

    def _show_live(self, event: RealtimeTranscription | FinalTranscription) -> None:
        self._partials.pop(event.stream_id, None)
        self._partials[event.stream_id] = self._labelled(event)
        self._draw()

    def _labelled(self, event: RealtimeTranscription | FinalTranscription) -> str:
        if event.stream_id in self.own_streams:
            return event.text
        speaker = event.speaker if isinstance(event.speaker, str) else event.stream_id
        return f"[{speaker}] {event.text}"

    def _draw(self) -> None:
        if not self._live:
            return
        latest = next(reversed(self._partials.values()), "")
        text = tail_within(latest, max(MIN_LIVE_COLUMNS, self._columns() - 1))
        self._erase()
        self._out.write(text)
        self._out.flush()
        self._shown_columns = width(text)

    def _erase(self) -> None:
        """Empty the live line. Spaces do it on every console, escape codes do not."""
        if self._shown_columns:
            self._out.write("\r" + " " * self._shown_columns + "\r")
            self._shown_columns = 0


def width(text: str) -> int:
    """Terminal columns of a text: none for Thai vowels and tone marks above and below."""
    return sum(map(_char_width, text))


def tail_within(text: str, columns: int) -> str:
    """The end of a text that fits, marked where it is cut, never cut before a combining mark."""
    if width(text) <= columns:
        return text
    room = columns - 1
    start = len(text)
    fits_from = start
    while start > 0 and room >= _char_width(text[start - 1]):
        start -= 1
        room -= _char_width(text[start])
        if _char_width(text[start]):
            fits_from = start
    return "…" + text[fits_from:]


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in WIDE else 1
