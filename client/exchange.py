"""One connection's share of a conversation: audio out of the feed, events into the view."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import UNSET

from client.errors import ClientError, ConnectionLostError, RequestFailedError
from client.feed import Feed
from client.kept_audio import KeptAudio
from client.stream import AsrConnection
from client.timeline import Timeline
from client.view import View
from server.messages import (
    ErrorEvent,
    Event,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    ServerShutdown,
    SpeechEndedEvent,
    SpeechStartedEvent,
)
from server.model_messages import ModelLoaded
from server.resume_messages import SessionSnapshot

NOTHING_LOST = "overloaded"
"""The one error that only delays: the server waits with the audio and takes it later."""
NO_SPEECH = "no_speech"
"""What to check then concerns nobody but who speaks."""
AWAY_AND_BACK = ("speaker_away", "speaker_back")
"""This client knows of its own connection."""
NO_USE_GOING_ON = frozenset({"not_recording", "forbidden"})
SHUTTING_DOWN = "shutting_down"
SHUTDOWN_MARGIN_S = 10.0
LOST_LUMP_S = 10.0
"""A server that is too slow all the time loses a little with every block."""


class Exchange:
    """From a connection that stands to its end; finals go into `finals`, too.

    `resends`: another connection can follow. `goes_on`: the streams began on the one before.
    """

    def __init__(
        self,
        connection: AsrConnection,
        feed: Feed | None,
        view: View,
        timeline: Timeline,
        finals: list[FinalTranscription],
        *,
        began_s: float,
        clock: Callable[[], float],
        resends: bool,
        goes_on: bool = False,
    ) -> None:
        self.failed = False
        """The server reported an error that cost something."""
        self._connection = connection
        self._feed = feed
        self._view = view
        self._timeline = timeline
        self._finals = finals
        self._began_s = began_s
        self._clock = clock
        self._resends = resends
        self._goes_on = goes_on
        self._told_overloaded = False
        self._lost_lump_s = 0.0
        self._shutdown = asyncio.Event()
        self._refused = False
        """Audio was not taken, because the server shuts down."""
        self._grace_s = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when all was sent and every final of it shown; for a viewer, at `stop`.

        Raises ConnectionLostError, and ClientError where there is no use in going on.
        """
        showing = asyncio.create_task(self._show(), name="show events")
        speaking = asyncio.create_task(self._speak(stop), name="send audio")
        tasks = (showing, speaking)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not showing.done():
                await self._let_show(showing, speaking)
            await showing
            await speaking
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_show(self, showing: asyncio.Task[None], speaking: asyncio.Task[None]) -> None:
        """Show what was received: it ends with the audio's end, or with the lost connection."""
        if isinstance(speaking.exception(), ConnectionLostError):
            await asyncio.wait({showing})
        elif self._feed is None or speaking.exception() is not None:
            await self._connection.close()
            await asyncio.wait({showing})

    async def _speak(self, stop: asyncio.Event) -> None:
        if self._feed is None:
            await stop.wait()
            return
        draining = asyncio.create_task(self._shutdown.wait(), name="wait for a shutdown")
        sending = asyncio.create_task(self._send_all(self._feed), name="send blocks")
        try:
            await asyncio.wait({draining, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            draining.cancel()
            sending.cancel()
            await asyncio.gather(draining, sending, return_exceptions=True)
        if sending.cancelled():
            await self._end_early(self._feed)
            return
        sending.result()
        await self._connection.end()
        if self._refused and self._resends:
            raise ConnectionLostError("the server is shutting down")
        if self._refused:
            self._tell_rest(self._feed)

    async def _send_all(self, feed: Feed) -> None:
        await self._connection.send_again()
        if feed.header and not self._goes_on:
            await self._connection.send(feed.header)
        while (block := await feed.next_block()) is not None:
            await self._connection.send(block)
            feed.kept.sent(self._clock())
            feed.wake()
            self._tell_lost(feed)
            if feed.total_s is not None:
                self._view.progress(feed.kept.sent_ms / 1000, feed.total_s)

    async def _end_early(self, feed: Feed) -> None:
        """The server shuts down: finals of what it took still come, then it is gone."""
        limit_s = self._grace_s + SHUTDOWN_MARGIN_S
        if not self._resends:
            self._tell_rest(feed)
            await self._connection.end(limit_s)
            return
        try:
            await self._connection.end(limit_s)
        except ClientError as error:
            await self._connection.close()
            raise ConnectionLostError(str(error)) from error
        raise ConnectionLostError("the server is shutting down")

    def _tell_lost(self, feed: Feed) -> None:
        """The first loss at once, further ones in lumps."""
        note = feed.lost_note(self._lost_lump_s)
        if note is not None:
            self.failed = True
            self._lost_lump_s = LOST_LUMP_S
            self._view.note(note)

    def _tell_rest(self, feed: Feed) -> None:
        self.failed = True
        self._view.note(f"Error: the rest of {feed.name} was not recognised.")

    async def _show(self) -> None:
        async for event in self._connection:
            self._show_one(event)
            if self._feed is not None:
                self._feed.wake()

    def _show_one(self, event: Event) -> None:
        match event:
            case RealtimeTranscription():
                partial = self._timeline.place(event, self._now_ms())
                if partial is not None:
                    self._view.partial(partial)
            case FinalTranscription():
                self._on_final(event)
            case SpeechStartedEvent() if self._is_own(event.stream_id):
                self._kept_of().utterance_started(event.utterance_id, event.at_ms)
            case SpeechEndedEvent() if self._is_own(event.stream_id):
                self._kept_of().utterance_ended(event.utterance_id, event.at_ms)
            case SessionSnapshot():
                self._show_snapshot(event)
            case Notice():
                self._on_notice(event)
            case ModelLoaded():
                self._view.note(f"{event.model_id} answers from now on.")
                self._view.model(event.model_id)
            case ErrorEvent():
                self._on_error(event)
            case ServerShutdown():
                self._view.note(f"The server is shutting down, within {event.grace_s:.0f} s.")
                self._grace_s = event.grace_s
                self._shutdown.set()

    def _show_snapshot(self, snapshot: SessionSnapshot) -> None:
        """What was said before this client came, or while it was away for too long."""
        shown = {(final.stream_id, final.utterance_id) for final in self._finals}
        texts: list[FinalTranscription | RealtimeTranscription]
        texts = [*snapshot.finals, *snapshot.partials]
        for text in reversed(texts):  # the latest of a stream was said about now
            self._timeline.heard(text.stream_id, text.end_ms, self._now_ms())
        for text in texts:
            if (text.stream_id, text.utterance_id) not in shown:
                self._show_one(text)

    def _on_notice(self, event: Notice) -> None:
        others = event.stream_id is not UNSET and not self._is_own(event.stream_id)
        told = not others if event.code == NO_SPEECH else others or event.code not in AWAY_AND_BACK
        if told:
            self._view.note(event.message)

    def _on_final(self, event: FinalTranscription) -> None:
        final = self._timeline.place(event, self._now_ms())
        if final is None:
            return
        latency_s = None
        if self._is_own(event.stream_id) and event.provisional is not True:
            latency_s = self._kept_of().latency_s(event.end_ms, self._clock())
            self._kept_of().utterance_done(event.utterance_id, event.end_ms)
        if event.text and event.provisional is not True:
            self._finals.append(final)
        self._view.final(final, latency_s)

    def _on_error(self, event: ErrorEvent) -> None:
        if self._timeline.is_former(event.stream_id):
            return  # its audio was sent again
        if event.stream_id is not UNSET and not self._is_own(event.stream_id):
            self._view.utterance_lost(event.stream_id)  # somebody else's trouble
            if self._feed is None:
                self._view.note(f"Error: {event.message} ({event.code})")
            return
        if event.code == NOTHING_LOST and event.utterance_id is UNSET:
            if not self._told_overloaded:
                self._view.note(f"Warning: {event.message}")
            self._told_overloaded = True
            return
        again = event.code == SHUTTING_DOWN and self._resends
        if event.stream_id is not UNSET and event.utterance_id is not UNSET:
            self._view.utterance_lost(event.stream_id)
            if self._is_own(event.stream_id) and not again:
                self._kept_of().utterance_done(event.utterance_id, None)
        if event.code == SHUTTING_DOWN and not event.fatal:
            self._refused = True
            self._shutdown.set()  # finals of what was taken before still come
        elif event.fatal and self._resends:
            self._view.note(f"Error: {event.message} ({event.code})")
            return  # the connection closes; another follows
        elif event.fatal or event.code in NO_USE_GOING_ON:
            self.failed = True
            raise RequestFailedError(event.code, event.message)
        self.failed = self.failed or not again
        if not again:
            self._view.note(f"Error: {event.message} ({event.code})")

    def _is_own(self, stream_id: str) -> bool:
        return self._feed is not None and stream_id in self._timeline.own

    def _kept_of(self) -> KeptAudio:
        assert self._feed is not None
        return self._feed.kept

    def _now_ms(self) -> float:
        return (self._clock() - self._began_s) * 1000
