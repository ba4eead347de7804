"""Who has spoken and waits for text: since when, and on which stream. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.effects import DecodeProblem, FinalText, SpeechBegan, SpeechOver
from asr.types import DecodeKind
from server.presenter import News


@dataclass(slots=True)
class _Stream:
    since_s: float
    """When the first of `ended` ended, or when something was last told since."""
    ended: set[int] = field(default_factory=set)
    """Utterances without a terminal outcome. Bound: the finals a stream may have open."""


class OwedText:
    """Times are seconds of one monotonic clock. A partial counts as text, an error as an answer."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def note(self, stream_id: str, news: News, now_s: float) -> None:
        """A stream's speech began or ended, or something was told of it."""
        stream = self._streams.get(stream_id)
        match news:
            case SpeechBegan():
                return
            case SpeechOver():
                if stream is None:
                    stream = self._streams[stream_id] = _Stream(now_s)
                stream.ended.add(news.utterance_id)
            case _ if stream is not None:
                stream.since_s = now_s
                stream.ended.discard(_concluded(news))
                if not stream.ended:
                    del self._streams[stream_id]

    def forget(self, connection: str) -> None:
        """A connection's streams end: nobody waits for their text any more."""
        for stream_id in [each for each in self._streams if each.startswith(f"{connection}.")]:
            del self._streams[stream_id]

    @property
    def utterances(self) -> int:
        """How many have ended and wait for their text."""
        return sum(len(stream.ended) for stream in self._streams.values())

    def longest_wait_s(self, now_s: float) -> float:
        """For how long the stream that waits longest has been told nothing; 0 if none waits."""
        return max((now_s - stream.since_s for stream in self._streams.values()), default=0.0)


def _concluded(news: News) -> int:
    """The utterance that this is the last word about; 0 for none."""
    match news:
        case FinalText():
            return news.utterance_id
        case DecodeProblem() if news.kind is DecodeKind.FINAL:
            return news.utterance_id
    return 0
