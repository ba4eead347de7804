"""An account of one connection's audio: what was accepted, and what of it gets no text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from asr.recogniser import StreamRecogniser
from audio.intake import AudioIntake
from audio.types import SAMPLE_RATE_HZ
from server.actor_ports import Listener
from server.problem import Problem
from server.work_estimate import Work


class AudioAccount:
    """All accepted audio ends in a final, as silence, or in one gap.

    Utterances tell of themselves. This tells of the rest, once: from where on nothing was heard, or
    accepted, and never will be.
    """

    def __init__(
        self, intake: AudioIntake, recognisers: Sequence[StreamRecogniser], listener: Listener
    ) -> None:
        """`recognisers` grows as streams begin."""
        self._intake = intake
        self._recognisers = recognisers
        self._listener = listener
        self._received: tuple[int, ...] = ()
        self._heard: dict[int, tuple[int, int]] = {}
        """Of each stream: up to where its recogniser had taken all that the intake made of the
        audio, and from where on it was not known then whether somebody spoke."""
        self.in_hand_s = 0.0
        """Audio out of the inbox and not yet in the intake."""
        self.closed = False
        """Nothing more is to be heard, also of what was accepted."""
        self._refused_from: tuple[int, ...] = ()
        """From where on each stream was told to get no text, once that was told."""

    def note_received(self) -> None:
        """A job of the intake is done."""
        self._received = self._intake.received_samples

    def note_heard(self) -> None:
        """The recognisers have all that came out of the intake, and no job of it runs."""
        for index, recogniser in enumerate(self._recognisers):
            self._heard[index] = recogniser.heard_sample, self._intake.unsure_from(index)

    def work(self, waiting_s: float) -> Work:
        """What may still have to be decoded, `waiting_s` of it in the inbox."""
        owed_samples = sum(recogniser.owed_samples for recogniser in self._recognisers)
        audio_s = waiting_s + self.in_hand_s + owed_samples / SAMPLE_RATE_HZ
        return Work(audio_s, sum(recogniser.pending_finals for recogniser in self._recognisers))

    def lose_accepted(self, waiting_s: float, problem: Problem) -> None:
        """What was accepted and not heard gets no text; told if there is any."""
        ends = self._refused_from or self._accepted(waiting_s)
        if any(start < end for start, end in zip(self._unheard(), ends, strict=False)):
            self.lose_unheard(problem)
        self.closed = True

    def lose_unheard(self, problem: Problem) -> None:
        """Nothing is heard any more, whatever comes."""
        if not self.closed:
            self.closed = True
            self._tell(self._unheard(), problem)

    def refuse(self, waiting_s: float, problem: Problem) -> None:
        """Audio came and was not accepted, and no further will be."""
        if not self._refused_from:
            self._tell(self._accepted(waiting_s), problem)

    def _tell(self, starts: tuple[int, ...], problem: Problem) -> None:
        """From there on each stream gets no text, up to where that was told before."""
        told, self._refused_from = self._refused_from, starts
        for index, (start, end) in enumerate(zip_longest(starts, told[: len(starts)])):
            if end is None or start < end:
                self._listener.on_gap(index, start, end, problem)

    def _accepted(self, waiting_s: float) -> tuple[int, ...]:
        """Where the accepted audio of each stream ends on its clock."""
        received = (*self._received, *[0] * self._streams)
        ahead = round((self.in_hand_s + waiting_s) * SAMPLE_RATE_HZ)
        return tuple(samples + ahead for samples in received[: self._streams])

    def _unheard(self) -> tuple[int, ...]:
        """From where on nobody knows whether somebody spoke."""
        streams = range(self._streams)
        return tuple(self._unheard_of(i) if i < len(self._recognisers) else 0 for i in streams)

    def _unheard_of(self, index: int) -> int:
        heard = self._recognisers[index].heard_sample
        then, unsure = self._heard.get(index, (0, 0))
        if heard > then:  # in the midst of what a job brought
            unsure = self._intake.unsure_from(index)
        return min(heard, unsure)

    @property
    def _streams(self) -> int:
        return self._intake.audio_format.stream_count
