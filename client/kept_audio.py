"""Audio that no final covers yet, kept so that a new connection can be sent it again. Pure.

Positions are bytes since the source began. A stream of the server begins where `connected` found
the next byte to be sent; its times fall on the source's one clock, also behind audio that was
dropped before it could be sent.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from client.stream_clock import StreamClock

KEPT_LIMIT_S = 60.0
ONSET_MARGIN_MS = 500
"""An utterance may begin this long before it was noticed."""
UNSEEN_MS = 10_000
"""The server may not have looked at what was sent last: two windows on their way and its inbox.
Before that, what is no utterance's was silence."""
WAIT_MARGIN_MS = 1_000
"""A source that can wait does so this much before audio would be dropped."""
READ_ON_MS = 2_000
"""Where the server needs more audio to come to an end, this much is read on in any case."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the bytes of a source count: `frame_bytes` for the samples of one instant."""

    sample_rate_hz: int
    frame_bytes: int = 2

    def bytes_of(self, ms: float) -> int:
        """The whole frames of so many ms, in bytes."""
        return round(ms * self.sample_rate_hz / 1000) * self.frame_bytes

    def ms_of(self, size: int) -> float:
        """The ms of so many bytes."""
        return size / self.frame_bytes * 1000 / self.sample_rate_hz


@dataclass(slots=True)
class _Block:
    start: int
    data: bytes
    sent_s: float | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class KeptAudio:
    """What was heard and is not covered by a final, sent or not.

    Bound: `limit_s` of audio. Overflow: the oldest is dropped; `take_lost_s` says how much of it
    will never be recognised.
    """

    def __init__(self, audio_format: AudioFormat, limit_s: float = KEPT_LIMIT_S) -> None:
        self._format = audio_format
        self._limit = audio_format.bytes_of(limit_s * 1000)
        self._blocks: deque[_Block] = deque()
        self._clock = StreamClock()
        self._heard = 0
        self._sent = 0
        """Up to where audio was taken for the stream, or need not be."""
        self._covered = 0
        self._kept_from = 0
        self._lost = 0
        self._open: dict[int, int] = {}
        """Where utterances began that have no final yet, by id."""
        self._ends: dict[int, int] = {}

    @property
    def covered_ms(self) -> float:
        """Up to where finals cover the audio, or it is not kept any more."""
        return self._format.ms_of(max(self._covered, self._kept_from))

    @property
    def heard_ms(self) -> float:
        """How much the source gave."""
        return self._format.ms_of(self._heard)

    @property
    def sent_ms(self) -> float:
        """Up to where audio was sent."""
        return self._format.ms_of(self._sent)

    @property
    def unsent_ms(self) -> float:
        """How much waits to be sent."""
        return self._format.ms_of(self._heard - max(self._sent, self._kept_from))

    @property
    def kept_ms(self) -> float:
        """How much is kept, sent or not."""
        return self._format.ms_of(self._heard - self._kept_from)

    @property
    def needed_ms(self) -> float:
        """How much of it the server could not do without if the stream were lost now."""
        return self._format.ms_of(self._heard - max(self._needed_from(), self._kept_from))

    def has_room(self, ahead_ms: float) -> bool:
        """Whether a source that can wait is to go on, to have `ahead_ms` waiting to be sent.

        It waits before anything needed is dropped, unless the server needs more audio to end what
        it hears: that is so where it owes no final.
        """
        limit_ms = self._format.ms_of(self._limit) - WAIT_MARGIN_MS
        goes_on = self.unsent_ms < READ_ON_MS and not self._ends
        return self.unsent_ms < min(ahead_ms, limit_ms) and (self.needed_ms < limit_ms or goes_on)

    def source_ms(self, stream_ms: float) -> float:
        """A time of the present stream on the source's clock."""
        size = self._format.bytes_of(stream_ms)
        return self._format.ms_of(self._clock.source_of(size))

    def heard(self, block: bytes) -> None:
        """The source gave a block."""
        self._blocks.append(_Block(self._heard, block))
        self._heard += len(block)
        while self._heard - self._kept_from > self._limit and len(self._blocks) > 1:
            dropped = self._blocks.popleft()
            self._lost += dropped.end - max(self._kept_from, min(self._sent, dropped.end))
            self._kept_from = dropped.end

    def take_block(self) -> bytes | None:
        """What goes into the stream next, None when there is nothing.

        It counts as sent from now on: the server may speak of it before the sending returns.
        """
        for block in self._blocks:
            if block.end > self._sent:
                data = block.data[max(0, self._sent - block.start) :]
                self._clock.give(block.end - len(data), len(data))
                self._sent = block.end
                return data
        return None

    def sent(self, now_s: float) -> None:
        """What was taken was sent."""
        for block in self._blocks:
            if block.sent_s is None and block.end <= self._sent:
                block.sent_s = now_s

    def utterance_started(self, utterance_id: int, at_ms: float) -> None:
        """The present stream hears an utterance. What is before the first open one was silence."""
        at = self._position(at_ms - ONSET_MARGIN_MS)
        self._open.setdefault(utterance_id, at)
        self._cover(min(self._open.values()))

    def utterance_ended(self, utterance_id: int, at_ms: float) -> None:
        """Its audio ends here; its final, or an error, follows."""
        self._ends[utterance_id] = self._position(at_ms)

    def utterance_done(self, utterance_id: int, end_ms: float | None) -> None:
        """Its final came, or an error instead (None): its audio is not needed any more."""
        end = self._ends.get(utterance_id, 0) if end_ms is None else self._position(end_ms)
        for known in (self._open, self._ends):
            for earlier in [i for i in known if i <= utterance_id]:
                del known[earlier]
        self._cover(end)

    def answer_no_more(self) -> None:
        """No final came for long: where nobody spoke after all, none will, and nothing says so."""
        self._ends.clear()

    def latency_s(self, end_ms: float, now_s: float) -> float | None:
        """Seconds since the audio at `end_ms` of the present stream was sent, if that is known."""
        end = min(self._position(end_ms), self._sent)
        for block in self._blocks:
            if block.end >= end:
                return None if block.sent_s is None else max(0.0, now_s - block.sent_s)
        return None

    def disconnected(self) -> None:
        """The stream is gone: what no final of it covers is to be sent again."""
        needed_from = self._needed_from()
        if needed_from < self._kept_from:  # what the stream was not given, was counted before
            given = self._clock.stream_of(self._kept_from) - self._clock.stream_of(needed_from)
            self._lost += given
        self._cover(needed_from)
        self._sent = max(self._covered, self._kept_from)
        self._clock.begin(self._sent)
        self._open.clear()
        self._ends.clear()
        for block in self._blocks:
            block.sent_s = None

    def connected(self) -> None:
        """A stream begins, with the next byte to be sent."""
        self._clock.begin(max(self._sent, self._kept_from))

    def take_lost_s(self, at_least_s: float = 0.0) -> float:
        """Seconds of audio that were dropped before a final could cover them, since last taken.

        0 if they are fewer than `at_least_s`: they wait for more.
        """
        if self._format.ms_of(self._lost) < at_least_s * 1000:
            return 0.0
        lost, self._lost = self._lost, 0
        return self._format.ms_of(lost) / 1000

    def _needed_from(self) -> int:
        unseen = self._clock.size - self._format.bytes_of(UNSEEN_MS)
        return max(self._covered, min([*self._open.values(), self._clock.source_of(unseen)]))

    def _position(self, stream_ms: float) -> int:
        return min(self._heard, self._clock.source_of(self._format.bytes_of(stream_ms)))

    def _cover(self, position: int) -> None:
        """Forget what lies before; a block in part, so that new streams begin where it ends."""
        self._covered = max(self._covered, min(position, self._sent))
        while self._blocks and self._blocks[0].end <= self._covered:
            self._blocks.popleft()
        self._kept_from = max(self._kept_from, self._covered)
