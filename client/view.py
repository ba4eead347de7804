"""What a person is shown; and plain lines, for files, pipes and logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from client.model_progress import ProgressLines
from server.messages import FinalTranscription, RealtimeTranscription
from server.model_messages import ModelProgress


class View(Protocol):
    """Shows a conversation. `own_streams` are shown without a speaker."""

    own_streams: tuple[str, ...]

    def partial(self, event: RealtimeTranscription) -> None:
        """What is being said, so far."""
        ...

    def final(self, event: FinalTranscription, latency_s: float | None = None) -> None:
        """What was said. A provisional one is live: another final of the utterance follows.

        `latency_s` is from its audio having been sent to now, where that is known.
        """
        ...

    def utterance_lost(self, stream_id: str) -> None:
        """No final will come for what is being said."""
        ...

    def note(self, text: str) -> None:
        """Something about the transcript, not of it."""
        ...

    def model(self, text: str) -> None:
        """Which model answers, or that none does."""
        ...

    def model_progress(self, event: ModelProgress) -> None:
        """How far the model that was asked for is."""
        ...

    def level(self, db: float) -> None:
        """How loud the microphone is, in dB of full scale."""
        ...

    def progress(self, done_s: float, total_s: float) -> None:
        """How much of a file was sent."""
        ...

    def close(self) -> None:
        """Nothing more comes: leave the terminal clean."""
        ...


@dataclass(slots=True)
class PlainView:
    """Finals go to `out`, a line each; everything about them goes to `err`.

    Streams of other clients are labelled with their speaker.
    """

    out: TextIO
    err: TextIO
    own_streams: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic
    _progress: ProgressLines = field(default_factory=ProgressLines, init=False, repr=False)

    def partial(self, event: RealtimeTranscription) -> None:
        """Nothing: a line cannot be taken back."""

    def final(self, event: FinalTranscription, latency_s: float | None = None) -> None:
        """Write a line, but not for a provisional final."""
        if event.text and event.provisional is not True:
            self.out.write(labelled(event, self.own_streams) + "\n")
            self.out.flush()

    def utterance_lost(self, stream_id: str) -> None:
        """Nothing: it was not shown."""

    def note(self, text: str) -> None:
        """Write a line about the transcript."""
        self.out.flush()
        self.err.write(text + "\n")
        self.err.flush()

    def model(self, text: str) -> None:
        """Nothing: the note at the beginning says it."""

    def model_progress(self, event: ModelProgress) -> None:
        """Write a line now and then."""
        line = self._progress.line(event, self.clock())
        if line is not None:
            self.note(line)

    def level(self, db: float) -> None:
        """Nothing."""

    def progress(self, done_s: float, total_s: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Write what is buffered."""
        self.out.flush()


def labelled(event: RealtimeTranscription | FinalTranscription, own: tuple[str, ...]) -> str:
    """The text, with its speaker if it is not this client's."""
    return speaker_label(event, own) + event.text


def speaker_label(event: RealtimeTranscription | FinalTranscription, own: tuple[str, ...]) -> str:
    """`[speaker] ` for streams of others."""
    if event.stream_id in own:
        return ""
    return f"[{event.speaker if isinstance(event.speaker, str) else event.stream_id}] "
