"""What one audio connection's streams have to say, and to whom."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from msgspec import UNSET

from asr.effects import DecodeProblem, FinalText
from asr.types import DecodeKind, DecodeResult
from audio.types import SAMPLE_RATE_HZ
from server.context import Context
from server.messages import ErrorEvent, FinalTranscription, Notice, optional
from server.presenter import News, Presenter
from server.problem import ENDS, Problem
from server.registry import Session

logger = logging.getLogger(__name__)

OVERLOAD_EVERY_S = 60.0
"""A file sent unpaced waits all the time; to be told once is enough."""

SLOW_DECODE_S = 1.0
SLOW_DECODE_MESSAGE = "Warning: Processing time > 1.0s per chunk"
NO_SPEECH_MESSAGE = "Warning: No speech detected in audio stream"
CHANNEL_SPEAKERS = ("agent", "customer")


class Voice:
    """Tells the session what the actor finds, and the sender what is wrong with its audio.

    `streams` gives the number of streams of the format in force, `received_s` when the audio of a
    stream had been received up to a sample.
    """

    def __init__(
        self,
        context: Context,
        session: Session,
        connection: str,
        speaker: str | None,
        *,
        streams: Callable[[], int],
        received_s: Callable[[int, int], float],
    ) -> None:
        self._context = context
        self._session = session
        self._connection = connection
        self._speaker = speaker
        self._streams = streams
        self._received_s = received_s
        self._slow_told = False
        self._overload_told_s = -math.inf

    def stream_id(self, index: int) -> str:
        """The name of one of the connection's streams."""
        return f"{self._connection}.{index + 1}"

    def stream_ids(self) -> list[str]:
        """The names of the streams of the format in force."""
        return [self.stream_id(index) for index in range(self._streams())]

    def on_news(self, stream_index: int, news: News) -> None:
        """Broadcast what a stream found."""
        stream_id = self.stream_id(stream_index)
        self._context.owed_text.note(stream_id, news, self._context.clock())
        event = self._presenter(stream_index).event(news)
        if event is None:
            return
        if isinstance(event, FinalTranscription):
            self._count_final(event)
        self._context.statistics.add(f"events_{event.__struct_config__.tag}")
        if isinstance(event, ErrorEvent):
            self._context.statistics.add(f"errors_{event.code}")
        self._session.broadcast(event)
        if isinstance(news, DecodeProblem) and news.kind is DecodeKind.FINAL:
            problem = Problem(news.code, news.message)
            self._gap(stream_index, news.start_sample, news.end_sample, problem, news.utterance_id)
        if isinstance(news, FinalText) and not news.silent:
            received_s = self._received_s(stream_index, news.end_sample)
            latency_s = self._context.clock() - received_s
            self._context.final_latencies.add(latency_s)
            self._context.instruments.final_sent(latency_s)
            self._context.shadow.heard(stream_id, news)

    def on_problem(self, code: str, message: str) -> None:
        """Tell the sender that its audio could not be used as sent."""
        self._context.statistics.add(f"audio_problems_{code}")
        self.error(code, message)

    def on_decoded(self, result: DecodeResult) -> None:
        """Count it; warn once per connection when decodes are slow."""
        self._context.instruments.decoded(result.request.kind.value, result.decode_s)
        self._context.work.note_decoded(result)
        if result.decode_s > SLOW_DECODE_S and not self._slow_told:
            self._slow_told = True
            logger.warning("%s (%.1f s)", SLOW_DECODE_MESSAGE, result.decode_s)
            self._notice("slow_processing", SLOW_DECODE_MESSAGE)

    def on_no_speech(self) -> None:
        """Much audio came and nobody spoke."""
        logger.warning("%s (%s)", NO_SPEECH_MESSAGE, self._connection)
        self._notice("no_speech", NO_SPEECH_MESSAGE)

    def on_wire_silent(self) -> None:
        """The wire fell silent in mid-utterance."""
        logger.info("audio %s: nothing on the wire in mid-utterance; final made", self._connection)

    def on_overload(self) -> None:
        """The inbox could take nothing for seconds."""
        self._context.statistics.add("overloads")
        now_s = self._context.clock()
        if now_s < self._overload_told_s + OVERLOAD_EVERY_S:
            return
        self._overload_told_s = now_s
        self.error(
            "overloaded",
            "the server could not take any audio for 5 s; it waits with the rest and loses "
            "nothing, but transcripts come late",
        )

    def on_gap(
        self, stream_index: int, start_sample: int, end_sample: int | None, problem: Problem
    ) -> None:
        """Audio that was not heard gets no text; None: nor does what follows."""
        self._gap(stream_index, start_sample, end_sample, problem)
        if problem in ENDS:  # any other closes the connection, with an error of its own
            start_s = start_sample / SAMPLE_RATE_HZ
            stream = self.stream_id(stream_index)
            self.error(problem.code, f"{problem.message}: {stream} is taken up to {start_s:.1f} s")

    def on_failure(self, code: str, error: BaseException | None) -> None:
        """The audio side failed for good."""
        self._context.statistics.add(f"errors_{code}")
        self._session.broadcast(
            ErrorEvent(
                code=code,
                message=f"this connection's audio cannot be processed any more: {error}; reconnect",
                fatal=True,
                session_id=self._session.id,
                stream_id=self.stream_id(0),
            )
        )

    def error(self, code: str, message: str, request_id: str | None = None) -> None:
        """Tell the sender of an error."""
        self._context.statistics.add(f"errors_{code}")
        self._session.tell(
            self._connection,
            ErrorEvent(
                code=code,
                message=message,
                session_id=self._session.id,
                request_id=optional(request_id),
            ),
        )

    def _gap(
        self,
        stream_index: int,
        start_sample: int,
        end_sample: int | None,
        problem: Problem,
        utterance_id: int | None = None,
    ) -> None:
        gap = self._presenter(stream_index).gap(start_sample, end_sample, problem, utterance_id)
        self._context.statistics.add("gaps")
        if end_sample is not None:
            lost_s = (end_sample - start_sample) / SAMPLE_RATE_HZ
            self._context.statistics.add("gaps_audio_s", lost_s)
        self._session.broadcast(gap)

    def _count_final(self, final: FinalTranscription) -> None:
        """Count the finals that every client gets apart from the provisional ones."""
        if final.provisional is UNSET:
            self._context.statistics.add("finals")
            self._context.statistics.add("finals_audio_s", final.duration)
        elif final.provisional:
            self._context.statistics.add("finals_provisional")

    def _notice(self, code: str, message: str) -> None:
        self._session.broadcast(
            Notice(
                level="warning",
                code=code,
                message=message,
                session_id=self._session.id,
                stream_id=self.stream_id(0),
            )
        )

    def _presenter(self, index: int) -> Presenter:
        return Presenter(
            session_id=self._session.id,
            stream_id=self.stream_id(index),
            speaker=CHANNEL_SPEAKERS[index] if self._streams() > 1 else self._speaker,
            repo_of=self._context.repo_of,
            wall_clock=self._context.wall_clock,
        )
