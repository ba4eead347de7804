"""Times of all streams on one clock, over all connections. Pure.

The clock is the source's: own streams fall on it exactly. Streams of others have clocks of their
own; they are placed by the moment at which they were first heard of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from server.messages import FinalTranscription, RealtimeTranscription

TranscriptT = TypeVar("TranscriptT", RealtimeTranscription, FinalTranscription)

RESTART_MARGIN_S = 2.0


def is_restarted(uptime_s: float, since_connected_s: float) -> bool:
    """Whether a server began after a moment so many seconds ago: its stream ids count anew."""
    return uptime_s < since_connected_s - RESTART_MARGIN_S


class Timeline:
    """Places transcripts, and knows those of streams that this client has begun anew.

    `source_ms` places times of the present own streams.
    """

    def __init__(self, source_ms: Callable[[float], float]) -> None:
        self._source_ms = source_ms
        self.own: tuple[str, ...] = ()
        self._former: set[str] = set()
        self._offsets_ms: dict[str, float] = {}

    def connected(self, own: Sequence[str], *, restarted: bool) -> None:
        """A connection stands, with these own streams."""
        if restarted:
            self._former.clear()
            self._offsets_ms.clear()
        else:
            self._former.update(self.own)
        self._former.difference_update(own)
        self.own = tuple(own)

    def is_former(self, stream_id: object) -> bool:
        """Whether a stream is one that this client has begun anew."""
        return stream_id in self._former

    def heard(self, stream_id: str, end_ms: float, now_ms: float) -> None:
        """Somebody else's stream is at `end_ms` now; what is known of it already stands."""
        self._offsets_ms.setdefault(stream_id, now_ms - end_ms)

    def place(self, event: TranscriptT, now_ms: float) -> TranscriptT | None:
        """The event with times of the one clock.

        None for a former stream of this client: its audio was sent again, and would come twice.
        """
        if self.is_former(event.stream_id):
            return None
        if event.stream_id in self.own:
            start_ms, end_ms = self._source_ms(event.start_ms), self._source_ms(event.end_ms)
        else:
            self.heard(event.stream_id, event.end_ms, now_ms)
            offset_ms = self._offsets_ms[event.stream_id]
            start_ms, end_ms = event.start_ms + offset_ms, event.end_ms + offset_ms
        return replace(event, start_ms=max(0, round(start_ms)), end_ms=max(0, round(end_ms)))
