"""A calm terminal: finals scroll by, one area at the bottom shows what is being said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from asr.thai_text import clusters
from client.model_progress import ENDS, PHASES, figures, share
from client.thai_text import fold, width
from client.view import speaker_label
from client.words import minutes
from server.messages import FinalTranscription, RealtimeTranscription
from server.model_messages import ModelProgress

PARTIAL_LINES = 2
METER_CELLS = 10
QUIETEST_DB = -60.0
LOUD_DB = -3.0
REDRAW_S = 0.1
"""Level and progress, which change all the time, redraw no more often."""
STALE_S = 30.0
"""Of another speaker who left in the middle of it, nothing says that no final will come."""
BAR_CELLS = 16
MIN_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class _Saying:
    """What somebody is saying: its stable part, and the rest."""

    stable: str
    rest: str
    said_s: float


class LiveView:
    """Draws with rich. `err` gets notes if it is not a terminal too."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        columns: int | None = None,
    ) -> None:
        self.own_streams: tuple[str, ...] = ()
        self._err = err
        self._clock = clock
        self._console = Console(file=out, highlight=False, markup=False, width=columns)
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._saying: dict[str, _Saying] = {}
        self._level_db: float | None = None
        self._progress: tuple[float, float] | None = None
        self._latency_s: float | None = None
        self._model = ""
        self._load: ModelProgress | None = None
        self._drawn_s = 0.0
        self._closed = False
        self._live.start()

    def partial(self, event: RealtimeTranscription) -> None:
        """Show what is being said, the stable part solid (View)."""
        stable = speaker_label(event, self.own_streams) + event.stable_text
        self._say(event.stream_id, stable, event.text[len(event.stable_text) :])

    def final(self, event: FinalTranscription, latency_s: float | None = None) -> None:
        """Let it scroll away above the live area (View)."""
        label = speaker_label(event, self.own_streams)
        if event.provisional is True:
            self._say(event.stream_id, label, event.text)
            return
        self._saying.pop(event.stream_id, None)
        if latency_s is not None:
            self._latency_s = latency_s
        if event.text:
            self._print(Text.assemble((label, "cyan"), event.text))
        else:
            self._draw()

    def utterance_lost(self, stream_id: str) -> None:
        """Take away what is being said (View)."""
        self._saying.pop(stream_id, None)
        self._draw()

    def note(self, text: str) -> None:
        """Show a note among the finals, faint (View)."""
        if self._err.isatty():
            self._print(Text(text, style="dim"))
        else:
            self._err.write(text + "\n")
            self._err.flush()

    def model(self, text: str) -> None:
        """Name the model in the status line (View)."""
        self._model = text
        self._load = None
        self._draw()

    def model_progress(self, event: ModelProgress) -> None:
        """Move the model's bar (View)."""
        began = self._load is None or self._load.phase is not event.phase
        self._load = None if event.phase in ENDS else event
        if began or self._load is None:
            self._draw()
        else:
            self._draw_at_leisure()

    def level(self, db: float) -> None:
        """Move the meter (View)."""
        self._level_db = db
        self._draw_at_leisure()

    def progress(self, done_s: float, total_s: float) -> None:
        """Move the progress bar (View)."""
        self._progress = (done_s, total_s)
        self._draw_at_leisure()

    def close(self) -> None:
        """Take the live area away (View)."""
        self._closed = True
        self._live.stop()

    def _say(self, stream_id: str, stable: str, rest: str) -> None:
        self._saying.pop(stream_id, None)
        self._saying[stream_id] = _Saying(stable, rest, self._clock())
        self._draw()

    def _print(self, text: Text) -> None:
        """Above the live area, which is drawn again below it, at once without what was said."""
        # soft: the terminal wraps, so that copied text has no line breaks
        self._console.print(text, soft_wrap=True)

    def _draw_at_leisure(self) -> None:
        if self._clock() - self._drawn_s >= REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_s = self._clock()
        self._live.refresh()

    def __rich__(self) -> RenderableType:
        """The live area as things stand, whenever rich draws it."""
        if self._closed:
            return Text("")
        return self._area()

    def _area(self) -> RenderableType:
        columns = max(MIN_COLUMNS, self._console.width - 1)
        parts: list[RenderableType] = []
        stale_s = self._clock() - STALE_S
        for stream_id, saying in list(self._saying.items()):
            if saying.said_s < stale_s and stream_id not in self.own_streams:
                del self._saying[stream_id]
        if self._saying:
            parts += _last_lines(next(reversed(self._saying.values())), columns)
        parts.append(Text(self._status(columns), style="dim", no_wrap=True))
        return Group(*parts)

    def _status(self, columns: int) -> str:
        """As much as fits, what matters most first."""
        parts = [] if self._load is None else load_parts(self._load)
        if self._level_db is not None:
            parts.append(meter(self._level_db))
        if self._progress is not None:
            parts.append(progress_bar(*self._progress))
        if self._latency_s is not None:
            parts.append(f"latency {self._latency_s:.1f} s")
        parts.append(self._model)
        status = ""
        for part in parts:
            longer = f"{status}  {part}" if status else part
            status = longer if width(longer) <= columns else status
        return status


def meter(db: float) -> str:
    """A level meter of METER_CELLS; it says when it is too loud."""
    share = (db - QUIETEST_DB) / -QUIETEST_DB
    filled = max(0, min(METER_CELLS, round(share * METER_CELLS)))
    loud = " too loud" if db > LOUD_DB else ""
    return "▮" * filled + "▯" * (METER_CELLS - filled) + loud


def progress_bar(done_s: float, total_s: float) -> str:
    """How far a file is, and the time left in it."""
    left_s = max(0.0, total_s - done_s)
    bar = _bar(done_s / total_s if total_s > 0 else 1.0)
    return f"{bar}  {minutes(done_s)}/{minutes(total_s)}, {minutes(left_s)} left"


def load_parts(event: ModelProgress) -> list[str]:
    """How far a model is, what matters most first."""
    part = share(event)
    bar = [] if part is None else [_bar(part)]
    return [f"{event.model_id}: {PHASES[event.phase]}", *bar, *figures(event)]


def _bar(part: float) -> str:
    part = min(1.0, part)
    filled = round(part * BAR_CELLS)
    return "━" * filled + "─" * (BAR_CELLS - filled) + f" {part:4.0%}"


def _last_lines(saying: _Saying, columns: int) -> list[Text]:
    """The end of what is being said, lines broken where they were before it grew."""
    lines = fold(clusters(saying.stable + saying.rest), columns)
    solid = len("".join(saying.stable.split()))
    shown: list[Text] = []
    for line in lines:
        end = 0
        while end < len(line) and (solid > 0 or line[end].isspace()):
            solid -= not line[end].isspace()
            end += 1
        shown.append(Text.assemble(line[:end], (line[end:], "dim"), no_wrap=True))
    return shown[-PARTIAL_LINES:]
