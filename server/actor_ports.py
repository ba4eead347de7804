"""What an actor needs of others: a decoder, and somebody who hears what it finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr.types import DecodeKind, DecodeOutcome, DecodeRequest, DecodeResult
from server.presenter import News
from server.problem import Problem


class Decoder(Protocol):
    """The scheduler as an actor uses it."""

    def submit(self, request: DecodeRequest, deliver: Callable[[DecodeOutcome], None]) -> None:
        """Have a request decoded; `deliver` is called once, on the loop."""
        ...

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        """Decodes of this utterance are not wanted any more."""
        ...


class Listener(Protocol):
    """Who hears of what an actor finds."""

    def on_news(self, stream_index: int, news: News) -> None:
        """Something to tell the session."""
        ...

    def on_problem(self, code: str, message: str) -> None:
        """The connection's audio could not be used as sent."""
        ...

    def on_decoded(self, result: DecodeResult) -> None:
        """A decode came back (for figures and warnings)."""
        ...

    def on_no_speech(self) -> None:
        """Much audio and nobody spoke."""
        ...

    def on_wire_silent(self) -> None:
        """The wire fell silent in mid-utterance; its final is made now."""
        ...

    def on_gap(
        self, stream_index: int, start_sample: int, end_sample: int | None, problem: Problem
    ) -> None:
        """Audio that was not heard gets no text; None: nor does what follows."""
        ...
