"""A download's progress: a bar at a terminal, now and then a line elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from asr.transfer import Transfer

LINE_INTERVAL_S: Final = 10.0
NARROW_COLUMNS: Final = 50
"""Below this only the bar and the percentage fit."""

FACTS_COLUMNS: Final = 39
"""Room for `999.9 of 999.9 MB  99.9 MB/s  9:59 left`."""


class View(Protocol):
    """A context manager that is told of a transfer."""

    def __enter__(self) -> View:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it; what was shown last stays."""
        ...

    def show(self, transfer: Transfer) -> None:
        """How far it has come."""
        ...


def view_on(out: TextIO, columns: int | None = None) -> View:
    """What suits the stream."""
    console = Console(file=out, highlight=False, markup=False, width=columns)
    return BarView(console) if console.is_terminal else LineView(out)


class BarView:
    """With rich. Log lines meanwhile go above the bar."""

    def __init__(self, console: Console) -> None:
        narrow = console.width < NARROW_COLUMNS
        # of one width, so that the bar does not jump
        room = Column(no_wrap=True, min_width=FACTS_COLUMNS)
        facts = TextColumn("{task.fields[facts]}", markup=False, table_column=room)
        self._progress = Progress(
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            _Percent(table_column=Column(justify="right", no_wrap=True, min_width=5)),
            *(() if narrow else (facts,)),
            console=console,
            expand=True,
            refresh_per_second=5,
        )
        self._task: TaskID | None = None
        self._loggers: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []

    def __enter__(self) -> BarView:
        before = sys.stderr
        self._progress.start()
        # a handler holds the stream that it was given; at a terminal both write the same lines
        for handler in logging.getLogger().handlers:
            if type(handler) is not logging.StreamHandler or handler.stream is not before:
                continue
            if before.isatty():
                self._loggers.append((handler, before))
                handler.setStream(sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        for handler, stream in self._loggers:
            handler.setStream(stream)
        self._progress.stop()

    def show(self, transfer: Transfer) -> None:
        """As View."""
        if self._task is None:
            self._task = self._progress.add_task("", total=transfer.total_bytes, facts="")
        self._progress.update(
            self._task,
            completed=transfer.done_bytes,
            total=transfer.total_bytes,
            facts=in_words(transfer),
        )


class _Percent(TextColumn):
    """Whole per cent, never 100 before the end."""

    def __init__(self, table_column: Column) -> None:
        super().__init__("", table_column=table_column)

    def render(self, task: Task) -> Text:
        return Text(percent(Transfer(int(task.completed), int(task.total or 0) or None)))


class LineView:
    """For files and pipes: a line at the start, every 10 s, and at the end."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._told_s: float | None = None
        self._last: Transfer | None = None
        self._told: Transfer | None = None

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last is not None and self._last != self._told:
            self._tell(self._last)

    def show(self, transfer: Transfer) -> None:
        """As View."""
        self._last = transfer
        now_s = self._clock()
        if self._told_s is None or now_s - self._told_s >= LINE_INTERVAL_S:
            self._told_s = now_s
            self._tell(transfer)

    def _tell(self, transfer: Transfer) -> None:
        self._told = transfer
        self._out.write(f"  {percent(transfer)}  {in_words(transfer)}\n")
        self._out.flush()


def percent(transfer: Transfer) -> str:
    """How much of it is there."""
    if not transfer.total_bytes:
        return ""
    return f"{100 * transfer.done_bytes // transfer.total_bytes} %"


def in_words(transfer: Transfer) -> str:
    """Bytes, rate and the time left, as far as they are known: `120 of 340 MB  3.1 MB/s  1:10`."""
    total = transfer.total_bytes
    unit, divisor, digits = ("GB", 1e9, 2) if (total or 0) >= 1e9 else ("MB", 1e6, 1)
    parts = [f"{transfer.done_bytes / divisor:.{digits}f}"]
    if total is not None:
        parts[0] += f" of {total / divisor:.{digits}f}"
    parts[0] += f" {unit}"
    finished = total is not None and transfer.done_bytes >= total
    if transfer.bytes_per_s is None or finished:
        return parts[0]
    if transfer.bytes_per_s <= 0:
        return f"{parts[0]}  stalled"
    parts.append(f"{transfer.bytes_per_s / 1e6:.1f} MB/s")
    if transfer.left_s is not None:
        parts.append(f"{minutes(transfer.left_s)} left")
    return "  ".join(parts)


def minutes(seconds: float) -> str:
    """`0:07`, `12:30`, `3:05:00`; hours beyond a day say so."""
    whole = round(seconds)
    if whole >= 86_400:
        return "> 1 day"
    hours, rest = divmod(whole, 3_600)
    if hours:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{rest // 60}:{rest % 60:02}"
