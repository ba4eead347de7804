"""An account of one connection's audio: what was accepted, and what of it gets no text."""

from __future__ import annotations

from collections.abc import Sequence

from asr.recogniser import StreamRecogniser
from audio.intake import AudioIntake
from audio.types import SAMPLE_RATE_HZ
from server.actor_ports import Listener
from server.problem import Problem
from server.work_estimate import Work


class AudioAccount:
    """All accepted audio ends in a final, as silence, or in one gap.

    Utterances tell their own ends. This tells what no recogniser has heard: once what was
    accepted, and once, without an end, what came after that.
    """

    def __init__(
        self, intake: AudioIntake, recognisers: Sequence[StreamRecogniser], listener: Listener
    ) -> None:
        """`recognisers` grows as streams begin."""
        self._intake = intake
        self._recognisers = recognisers
        self._listener = listener
        self._received: tuple[int, ...] = ()
        self.in_hand_s = 0.0
        """Audio out of the inbox and not yet in the intake."""
        self.closed = False
        """What was accepted and not heard was told as lost: no more of it is to be heard."""
        self._refused = False

    def note_received(self) -> None:
        """A job of the intake is done."""
        self._received = self._intake.received_samples

    def work(self, waiting_s: float) -> Work:
        """What may still have to be decoded, `waiting_s` of it in the inbox."""
        owed_samples = sum(recogniser.owed_samples for recogniser in self._recognisers)
        audio_s = waiting_s + self.in_hand_s + owed_samples / SAMPLE_RATE_HZ
        return Work(audio_s, sum(recogniser.pending_finals for recogniser in self._recognisers))

    def lose_accepted(self, waiting_s: float, problem: Problem) -> None:
        """What was accepted and not heard gets no text."""
        if self.closed:
            return
        self.closed = True
        for index in self._streams:
            start, end = self._unheard_sample(index), self._accepted_sample(index, waiting_s)
            if start < end:
                self._listener.on_gap(index, start, end, problem)

    def lose_unheard(self, problem: Problem) -> None:
        """Nothing is heard any more, whatever comes."""
        self.closed = self._refused = True
        for index in self._streams:
            self._listener.on_gap(index, self._unheard_sample(index), None, problem)

    def refuse(self, waiting_s: float, problem: Problem) -> None:
        """Audio came and was not accepted, and no further will be: told the first time."""
        if not self._refused:
            self._refused = True
            for index in self._streams:
                start = self._accepted_sample(index, waiting_s)
                self._listener.on_gap(index, start, None, problem)

    @property
    def _streams(self) -> range:
        return range(self._intake.audio_format.stream_count)

    def _accepted_sample(self, stream_index: int, waiting_s: float) -> int:
        """Where the accepted audio ends on a stream's clock."""
        received = self._received[stream_index] if stream_index < len(self._received) else 0
        return received + round((self.in_hand_s + waiting_s) * SAMPLE_RATE_HZ)

    def _unheard_sample(self, stream_index: int) -> int:
        """From here on nobody knows whether somebody spoke."""
        if stream_index >= len(self._recognisers):
            return 0
        heard = self._recognisers[stream_index].heard_sample
        return min(heard, self._intake.unsure_from(stream_index))
