"""What a peer is to this measurement: a server that can be started, and a way to talk to it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.dataset import Pcm16
from benchmarks.server_process import RunningServer


class RefusedError(Exception):
    """The server turned a stream away, as it does when it is full."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a stream shows for one piece of speech from `at_s` on.

    It takes the place of the earlier text of the same `key`. `start_s` and `end_s` say which audio
    it belongs to. All times are seconds from the first sample sent. Texts of one message have the
    same `at_s`. `is_final` is set where the peer has a message of its own for a finished utterance.
    """

    at_s: float
    key: str
    text: str
    is_final: bool
    start_s: float
    end_s: float


class Session(Protocol):
    """One stream's conversation, without its socket."""

    def opening(self) -> str | None:
        """The first message, if the server expects one."""

    def is_ready(self, message: dict[str, Any] | None) -> bool:
        """Whether audio may be sent after this message; None is asked before any came.

        Raises RefusedError if the message says that the stream is turned away.
        """

    def started(self) -> str | None:
        """A message to send once ready, if the server expects one."""

    def chunk(self, samples: Pcm16) -> bytes:
        """16 kHz samples as the server wants them."""

    def after_audio(self) -> str | None:
        """A message that says that no more audio follows, if that does not end the decoding."""

    def texts(self, at_s: float, message: dict[str, Any]) -> list[Text]:
        """What a message changed, `at_s` seconds after the first sample was sent."""

    def is_complete(self, quiet_s: float) -> bool:
        """Whether no more text will come, `quiet_s` after the last change or sample."""


class Peer(Protocol):
    """A server under measurement."""

    @property
    def name(self) -> str:
        """What it is called in figures and on the command line."""

    def server(self, log: Path) -> AbstractContextManager[RunningServer]:
        """Start it with defaults, Whisper base int8, language th; its output goes to `log`."""

    def session(self, server: RunningServer, index: int) -> tuple[str, Session]:
        """Address and conversation of a new stream."""
