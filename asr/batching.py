"""Which requests are decoded together next. Pure: no clock, no threads, no asyncio.

One queue stands before one engine. Finals come before partials and never share a batch with
them (a batch ends with its longest item, and a final should not wait for a partial). Bounds:

- partials: one waiting per stream; a newer one takes its place, one that is too old goes;
- finals: `max_waiting_final_s` seconds of audio; a final beyond is refused, an accepted one
  leaves only by being taken or retired.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from asr.engine import Prepared
from asr.types import DecodeDropped, DecodeKind, DecodeRequest

OVERLOADED = "overloaded"
SUPERSEDED = "superseded"
STALE = "stale"
EXPIRED = "expired"
RETIRED = "retired"

MAX_WAITING_FINAL_S = 600.0
MAX_FINAL_BATCHES_IN_A_ROW = 3
STARVED_PARTIAL_S = 0.7
REMEMBERED_STREAMS = 1024
"""Beyond this, streams served longest ago of which no partial waits and nothing runs are
forgotten: they then count as never served."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch (empty when nothing can run) and the partials found too old on the way."""

    batch: tuple[Prepared, ...]
    dropped: tuple[DecodeDropped, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What stands in a queue."""

    partials: int
    finals: int
    final_s: float
    """Seconds of audio in the finals."""

    @property
    def empty(self) -> bool:
        """Nothing waits."""
        return self.partials == self.finals == 0


@dataclass(slots=True)
class _Stream:
    newest: tuple[int, int, int] = (-1, -1, -1)
    """(epoch, utterance, revision) of the newest request seen."""
    partial: Prepared | None = None
    unserved_since_s: float | None = None
    """Since when this utterance's partials, one replacing another, have waited."""
    served: int = 0
    """Number of the take that last held a partial of it."""
    running: int = 0
    """Its items in running batches."""

    @property
    def idle(self) -> bool:
        """Nothing of it runs and no partial of it waits."""
        return self.partial is None and self.running == 0


class BatchQueue:
    """Prepared requests waiting for one engine. Times are the caller's, in seconds."""

    def __init__(
        self,
        max_batch: int,
        max_waiting_final_s: float = MAX_WAITING_FINAL_S,
        partial_max_age_s: float = 2.0,
    ) -> None:
        self._max_batch = max_batch
        self._max_waiting_final_s = max_waiting_final_s
        self._partial_max_age_s = partial_max_age_s
        self._finals: list[Prepared] = []
        self._final_s = 0.0
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self._takes = 0
        self._running_partials = 0
        self._final_batches_in_a_row = 0

    @property
    def waiting(self) -> Waiting:
        """What waits, not counting what runs."""
        partials = sum(stream.partial is not None for stream in self._streams.values())
        return Waiting(partials, len(self._finals), self._final_s)

    def offer(
        self, prepared: Prepared, now_s: float, *, bounded: bool = True
    ) -> list[DecodeDropped]:
        """Take in a request. Returns what is not decoded because of it, possibly itself.

        A final that was taken in before, while its model was not there, is not `bounded`.
        """
        request = prepared.request
        stream = self._stream(request.stream_id)
        newest, stream.newest = stream.newest, max(stream.newest, _position(request))
        if request.kind is DecodeKind.FINAL:
            full = self._final_s + request.audio_s > self._max_waiting_final_s
            if bounded and full and self._finals:
                return [DecodeDropped(request, OVERLOADED)]
            self._finals.append(prepared)
            self._final_s += request.audio_s
            return []
        if _position(request) <= newest:
            return [DecodeDropped(request, STALE)]
        dropped = self._withdraw(stream, SUPERSEDED)
        if stream.unserved_since_s is None or _position(request)[:2] != newest[:2]:
            stream.unserved_since_s = now_s
        stream.partial = prepared
        return dropped

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> list[DecodeDropped]:
        """Drop what waits for an utterance, of one kind or (None) of both. Running ones run on."""
        dropped: list[DecodeDropped] = []
        if kind is not DecodeKind.PARTIAL:
            dropped += self._retire_finals(stream_id, epoch, utterance_id)
        stream = self._streams.get(stream_id)
        if kind is not DecodeKind.FINAL and stream is not None and stream.partial is not None:
            request = stream.partial.request
            if (request.epoch, request.utterance_id) == (epoch, utterance_id):
                dropped += self._withdraw(stream, RETIRED)
                stream.unserved_since_s = None
        return dropped

    def clear(self) -> list[DecodeRequest]:
        """Forget everything that waits; its requests, whose outcomes are the caller's to tell."""
        partials = [stream.partial for stream in self._streams.values() if stream.partial]
        cleared = [prepared.request for prepared in (*self._finals, *partials)]
        self._finals.clear()
        self._final_s = 0.0
        for stream in self._streams.values():
            stream.partial = None
        return cleared

    def take(self, now_s: float, *, last_worker: bool = False) -> Taken:
        """Take the best batch now; the caller gives it back with `done`.

        Finals by deadline, unless `MAX_FINAL_BATCHES_IN_A_ROW` of them have gone while a partial
        starved; partials of streams without anything running, the least recently served first.
        The first of them chooses the batch key. The last free worker of several is kept for
        finals, which must not wait for a batch of partials to end: partials get it only when
        one of them starves and none runs.
        """
        dropped = self._expire(now_s)
        partials = self._takeable_partials()
        starving = any(self._starves(prepared, now_s) for prepared in partials)
        allowed = not last_worker or (starving and self._running_partials == 0)
        their_turn = starving and self._final_batches_in_a_row >= MAX_FINAL_BATCHES_IN_A_ROW
        batch: list[Prepared] = []
        if self._finals and not (allowed and their_turn):
            batch = self._take_finals()
        elif allowed:
            batch = self._take_partials(partials)
        for prepared in batch:
            self._stream(prepared.request.stream_id).running += 1
        return Taken(tuple(batch), tuple(dropped))

    def done(self, batch: Iterable[Prepared]) -> None:
        """A batch does not run any more."""
        for prepared in batch:
            self._streams[prepared.request.stream_id].running -= 1
            self._running_partials -= prepared.request.kind is DecodeKind.PARTIAL

    # -- finals -------------------------------------------------------------------------------

    def _take_finals(self) -> list[Prepared]:
        self._finals.sort(key=lambda prepared: prepared.request.deadline_s)
        key = self._finals[0].batch_key
        batch = [made for made in self._finals if made.batch_key == key][: self._max_batch]
        self._remove_finals(batch)
        self._final_batches_in_a_row += 1
        return batch

    def _retire_finals(self, stream_id: str, epoch: int, utterance_id: int) -> list[DecodeDropped]:
        retired = [
            made
            for made in self._finals
            if (made.request.stream_id, made.request.epoch, made.request.utterance_id)
            == (stream_id, epoch, utterance_id)
        ]
        self._remove_finals(retired)
        return [DecodeDropped(made.request, RETIRED) for made in retired]

    def _remove_finals(self, gone: list[Prepared]) -> None:
        self._finals = [made for made in self._finals if made not in gone]
        self._final_s = sum(made.request.audio_s for made in self._finals)

    # -- partials -----------------------------------------------------------------------------

    def _takeable_partials(self) -> list[Prepared]:
        ready = [
            (stream.served, stream.partial)
            for stream in self._streams.values()
            if stream.partial is not None and stream.running == 0
        ]
        ready.sort(key=lambda pair: (pair[0], pair[1].request.created_s))
        return [prepared for _, prepared in ready]

    def _take_partials(self, partials: list[Prepared]) -> list[Prepared]:
        if not partials:
            return []
        self._takes += 1
        self._final_batches_in_a_row = 0
        key = partials[0].batch_key
        batch = [made for made in partials if made.batch_key == key][: self._max_batch]
        for prepared in batch:
            stream = self._streams[prepared.request.stream_id]
            stream.partial = None
            stream.unserved_since_s = None
            stream.served = self._takes
            self._running_partials += 1
            self._streams.move_to_end(prepared.request.stream_id)
        return batch

    def _starves(self, partial: Prepared, now_s: float) -> bool:
        since_s = self._streams[partial.request.stream_id].unserved_since_s
        return since_s is not None and now_s - since_s > STARVED_PARTIAL_S

    def _expire(self, now_s: float) -> list[DecodeDropped]:
        """Drop partials that are too old or of an ended utterance."""
        dropped: list[DecodeDropped] = []
        for stream in self._streams.values():
            if stream.partial is None:
                continue
            request = stream.partial.request
            if _position(request)[:2] < stream.newest[:2]:
                dropped += self._withdraw(stream, STALE)
            elif now_s - request.created_s > self._partial_max_age_s:
                dropped += self._withdraw(stream, EXPIRED)
        return dropped

    # -- streams ------------------------------------------------------------------------------

    @staticmethod
    def _withdraw(stream: _Stream, reason: str) -> list[DecodeDropped]:
        if stream.partial is None:
            return []
        request = stream.partial.request
        stream.partial = None
        return [DecodeDropped(request, reason)]

    def _stream(self, stream_id: str) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._forget_streams()
            stream = self._streams[stream_id] = _Stream()
        return stream

    def _forget_streams(self) -> None:
        excess = len(self._streams) + 1 - REMEMBERED_STREAMS
        if excess > 0:
            idle = [name for name, stream in self._streams.items() if stream.idle]
            for name in idle[:excess]:
                del self._streams[name]


def _position(request: DecodeRequest) -> tuple[int, int, int]:
    return request.epoch, request.utterance_id, request.revision
