"""Audio that no final covers yet, kept so that a new connection can be sent it again. Pure.

Positions are bytes since the source began; a stream of the server begins where `connected` found
the next byte to be sent, and counts on from there: its times fall on the source's one clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT_LIMIT_S = 60.0
ONSET_MARGIN_MS = 500
"""An utterance may begin this long before it was noticed."""
UNSEEN_MS = 10_000
"""The server may not have looked at what was sent last: two windows on their way and its inbox.
Before that, what is no utterance's was silence."""


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
        self._heard = 0
        self._sent = 0
        self._offered = 0
        self._reached = 0
        """As `_sent`, which passes over what was dropped."""
        self._covered = 0
        self._base = 0
        self._kept_from = 0
        self._lost = 0
        self._open: dict[int, int] = {}
        """Where utterances began that have no final yet, by id."""
        self._ends: dict[int, int] = {}

    @property
    def base_ms(self) -> float:
        """Where on the source's clock the present stream begins."""
        return self._format.ms_of(self._base)

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

    def heard(self, block: bytes) -> None:
        """The source gave a block."""
        self._blocks.append(_Block(self._heard, block))
        self._heard += len(block)
        while self._heard - self._kept_from > self._limit and len(self._blocks) > 1:
            dropped = self._blocks.popleft()
            self._lost += dropped.end - max(self._kept_from, min(self._sent, dropped.end))
            self._kept_from = dropped.end
        gap = max(0, self._kept_from - self._sent)
        self._sent += gap
        self._base += gap  # the present stream will not have it: its times go on behind it

    def next_block(self) -> bytes | None:
        """What is to be sent next, None when there is nothing."""
        for block in self._blocks:
            if block.end > self._sent:
                self._offered = max(self._sent, block.start)
                return block.data[self._offered - block.start :]
        return None

    def sent(self, size: int, now_s: float) -> None:
        """So many bytes of `next_block` were sent."""
        end = self._offered + size
        if self._sent >= end:  # it was dropped, and passed over, while it was on its way
            self._lost -= size
            self._base -= size
        self._sent = max(self._sent, end)
        self._reached = max(self._reached, end)
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

    def latency_s(self, end_ms: float, now_s: float) -> float | None:
        """Seconds since the audio at `end_ms` of the present stream was sent, if that is known."""
        end = min(self._position(end_ms), self._sent)
        for block in self._blocks:
            if block.end >= end:
                return None if block.sent_s is None else max(0.0, now_s - block.sent_s)
        return None

    def disconnected(self) -> None:
        """The stream is gone: what no final of it covers is to be sent again."""
        unseen = self._reached - self._format.bytes_of(UNSEEN_MS)
        began = max(self._covered, min([*self._open.values(), unseen]))
        self._lost += max(0, min(self._kept_from, self._reached) - began)
        self._open.clear()
        self._ends.clear()
        self._cover(max(began, self._kept_from))
        self._sent = self._reached = max(self._covered, self._kept_from)
        for block in self._blocks:
            block.sent_s = None

    def connected(self) -> None:
        """A stream begins, with the next byte to be sent."""
        self._base = self._sent

    def take_lost_s(self) -> float:
        """Seconds of audio that were dropped before a final could cover them, since last asked."""
        lost, self._lost = self._lost, 0
        return self._format.ms_of(lost) / 1000

    def _position(self, stream_ms: float) -> int:
        return max(self._base, min(self._heard, self._base + self._format.bytes_of(stream_ms)))

    def _cover(self, position: int) -> None:
        """Forget what lies before; a block in part, so that new streams begin where it ends."""
        self._covered = max(self._covered, min(position, self._sent))
        while self._blocks and self._blocks[0].end <= self._covered:
            self._blocks.popleft()
        self._kept_from = max(self._kept_from, self._covered)
