"""One speaker as the limits see it: its audio on the way in, its finals on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from asr.outcomes import Deliver
from asr.types import DecodeKind, DecodeOutcome, DecodeRequest, DecodeResult
from server.buckets import TokenBucket
from server.capacity import Demand, FinalWaits
from server.protocol import ProtocolError

AUDIO_BURST_S = 30.0
"""Of audio, however fast it comes: what a client sends again after a cut is not slowed."""
LONGEST_WAIT_S = 0.25
"""Before it is looked whether others still need the workers."""
ACTIVE_S = 2.0


class NoRoomError(ProtocolError):
    """What came is not taken, and does not count: the connection is being closed."""


class Decoder(Protocol):
    """Who decodes."""

    def submit(self, request: DecodeRequest, deliver: Deliver) -> None:
        """Have a request decoded; `deliver` is called once."""
        ...

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        """Decodes of this utterance are not wanted any more."""
        ...


class SpeakerGuard:
    """Passes audio and requests on, and takes note of them.

    `admits` is asked at the first audio and raises NoRoomError if there is none;
    `contended` says whether others need the workers.
    """

    def __init__(
        self,
        speaker_id: str,
        decoder: Decoder,
        waits: FinalWaits,
        demand: Demand,
        *,
        rate: float,
        clock: Callable[[], float],
        admits: Callable[[str], None],
        contended: Callable[[str], bool],
        on_slowed: Callable[[float], object],
        on_close: Callable[[str], object],
    ) -> None:
        self._id = speaker_id
        self._decoder = decoder
        self._waits = waits
        self._demand = demand
        self._bucket = TokenBucket(rate, AUDIO_BURST_S)
        self._clock = clock
        self._admits = admits
        self._contended = contended
        self._on_slowed = on_slowed
        self._on_close = on_close
        self._begun = False
        self._heard_s: float | None = None
        self._streams: set[str] = set()

    def active(self, now_s: float) -> bool:
        """Whether audio came of late."""
        return self._heard_s is not None and now_s - self._heard_s < ACTIVE_S

    async def take(self, audio_s: float) -> None:
        """Audio came: wait while it comes too fast. Raises NoRoomError where there is no room."""
        if not self._begun:
            self._admits(self._id)
            self._begun = True
        now_s = self._heard_s = self._clock()
        while (wait_s := self._bucket.wait_s(now_s)) > 0:
            if not self._contended(self._id):
                self._bucket.forgive()
                break
            wait_s = min(wait_s, LONGEST_WAIT_S)
            self._on_slowed(wait_s)
            await asyncio.sleep(wait_s)
            now_s = self._heard_s = self._clock()
        self._bucket.spend(audio_s, now_s)

    def submit(self, request: DecodeRequest, deliver: Deliver) -> None:
        """Have a request decoded (Decoder)."""
        if request.kind is not DecodeKind.FINAL:
            self._decoder.submit(request, deliver)
            return
        self._streams.add(request.stream_id)
        self._waits.asked(request.stream_id, request.request_id, self._clock())

        def told(outcome: DecodeOutcome) -> None:
            self._note(outcome)
            deliver(outcome)

        self._decoder.submit(request, told)

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        """Decodes of this utterance are not wanted any more (Decoder)."""
        self._decoder.retire(stream_id, epoch, utterance_id, kind)

    def close(self) -> None:
        """Nothing more comes."""
        for stream in self._streams:
            self._waits.forget(stream)
        self._demand.gone(self._id)
        self._on_close(self._id)

    def _note(self, outcome: DecodeOutcome) -> None:
        request, now_s = outcome.request, self._clock()
        if not isinstance(outcome, DecodeResult):
            self._waits.dropped(request.stream_id, request.request_id)
            return
        self._waits.answered(request.stream_id, request.request_id, outcome.decode_s, now_s)
        cost_s = outcome.decode_s / max(1, outcome.batch_size)
        self._demand.decoded(self._id, request.audio_s, cost_s, now_s)
