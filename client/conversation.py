"""A source's audio to the server and its text to a view, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from client.backoff import GIVE_UP_AFTER_S, Backoff
from client.errors import ClientError, ConnectError, ConnectionLostError, RequestFailedError
from client.exchange import Exchange
from client.feed import Feed
from client.stream import AsrConnection
from client.timeline import Timeline, is_restarted
from client.view import View
from client.words import minutes
from server.messages import FinalTranscription

FETCHING = "fetching"
"""The state of a model whose files are on their way."""

STOP_LIMIT_S = 5.0

Connect = Callable[[str | None], AbstractAsyncContextManager[AsrConnection]]
"""Connects to a session: of this name, or the server's choice."""


class Conversation:
    """One source, or none for a viewer, until it ends or `stop` is set.

    `finals` are all that were shown, on one clock. `failed`: something that was said is not
    among them, or may not be.
    """

    def __init__(
        self,
        connect: Connect,
        feed: Feed | None,
        view: View,
        *,
        model: str | None = None,
        reconnect: bool = True,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.finals: list[FinalTranscription] = []
        self.failed = False
        self.begun = False
        """The server was ready; from now on there may be something to lose."""
        self._connect = connect
        self._feed = feed
        self._view = view
        self._model = model
        self._reconnect = reconnect
        self._clock = clock
        self._stop = asyncio.Event()
        self._backoff = Backoff(enabled=reconnect, jitter=jitter)
        self._timeline = Timeline((lambda ms: ms) if feed is None else feed.kept.source_ms)
        self._session: str | None = None
        self._may_resume = False
        """The lost connection's streams may still go on."""
        self._goes_on = False
        """The present connection's streams are those of the one before."""
        self._told_lost = False
        """Once per outage; the view shows further tries as its model."""
        self._began_s: float | None = None
        self._connected_s = clock()

    def stop(self) -> None:
        """End as soon as everything that was said is text."""
        self._stop.set()
        self._backoff.ending()
        if self._feed is not None:
            self._feed.stop()

    async def hold(self) -> None:
        """Returns when every final is shown. Raises ClientError, SourceError."""
        try:
            while not await self._one_connection():
                pass
            if self._feed is not None:
                self._feed.raise_failure()
        except ClientError:
            if self._feed is not None and self.begun:
                from_ms = self._feed.kept.covered_ms
                self._view.note(f"Error: from {minutes(from_ms / 1000)} on nothing was recognised.")
            raise
        finally:
            if self._feed is not None:
                await self._feed.close()
                self._tell_lost(self._feed)
            self._view.close()

    async def _one_connection(self) -> bool:
        """Whether that was all; else it was lost, and the time to try again has come."""
        try:
            async with self._connect(self._session) as connection:
                again = self._session is not None
                await self._prepare(connection, again)
                await self._exchange(connection, again)
                return True
        except (ConnectionLostError, ConnectError) as error:
            return await self._await_retry(error)

    async def _await_retry(self, error: ConnectionLostError | ConnectError) -> bool:
        """Say what happened and wait; whether a viewer was stopped, who needs no more.

        Raises ConnectionLostError, or before the beginning the error, if no more is tried.
        """
        if not self._may_resume:
            self._leave_streams()
        if self.begun and self._feed is None and self._stop.is_set():
            return True
        at_least_s = error.retry_after_s if isinstance(error, ConnectError) else 0.0
        delay_s = self._backoff.failed(self._clock(), at_least_s)
        if delay_s is None or not error.may_pass:
            self._leave_streams()
            raise ConnectionLostError(str(error)) if self.begun else error
        if not self._told_lost:
            self._told_lost = True
            limit_min = GIVE_UP_AFTER_S / 60
            self._view.note(f"Connection lost: {error}. Trying again for {limit_min:.0f} minutes.")
        self._view.model(f"not connected, next try in {delay_s:.1f} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop.wait()
        return False

    def _leave_streams(self) -> None:
        """The streams of the last connection are over: what has no final is to be sent again."""
        self._may_resume = False
        if self._feed is not None and self.begun:
            self._feed.disconnected()
        for stream_id in self._view.own_streams:
            self._view.utterance_lost(stream_id)

    async def _prepare(self, connection: AsrConnection, again: bool) -> None:
        if not again:
            await self._load_first(connection)
        now_s = self._clock()
        status = await connection.status()
        restarted = again and is_restarted(status.uptime_s, now_s - self._connected_s)
        if self._began_s is None:
            self._began_s = self._clock()
        self._goes_on = connection.resumed and self._may_resume
        if not self._goes_on:
            if self._may_resume:
                self._leave_streams()
            if self._feed is not None:
                self._feed.connected()
            self._timeline.connected(connection.stream_ids, restarted=restarted)
            self._view.own_streams = connection.stream_ids
        self._may_resume = connection.may_resume
        self._session = connection.connected.session_id
        self._connected_s = now_s
        self._backoff.connected(now_s)
        self.begun = True
        self._told_lost = False
        self._view.model(f"{status.current_model} ({status.device})")
        if again:
            how = ", nothing was lost" if self._goes_on else ""
            self._view.note(f"Connected again{how} -> {status.current_model} ({status.device})")
            if self._feed is not None:
                self._tell_lost(self._feed)
            return
        for notice in status.notices:
            self._view.note(notice)
        name = f"session {self._session}" if self._feed is None else self._feed.name
        hint = "" if self._feed is None else self._feed.hint
        self._view.note(f"{name} -> {status.current_model} ({status.device}){hint}")

    async def _load_first(self, connection: AsrConnection) -> None:
        """Before any audio. Cancelled, it stops a download that it began, but nobody else's."""
        if self._model is None:
            return
        listed = (await connection.models()).models
        others = any(m.id == self._model and m.state == FETCHING for m in listed)
        try:
            await self._load_model(connection)
        except asyncio.CancelledError:
            if not others:
                await self._stop_download(connection, self._model)
            raise

    async def _stop_download(self, connection: AsrConnection, model_id: str) -> None:
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await connection.cancel_load(model_id)
            self._view.note(f"{model_id}: download stopped; what came is kept.")

    async def _load_model(self, connection: AsrConnection) -> None:
        if self._model is not None:
            self._view.note(f"Loading {self._model} ...")
            await connection.load_model(self._model, on_progress=self._view.model_progress)

    async def _load_again(self, connection: AsrConnection, again: bool) -> None:
        """While the server's own model goes on: audio waits no longer than it must."""
        if not again or self._model in (None, connection.connected.current_model):
            return
        try:
            await self._load_model(connection)
            status = await connection.status()
        except ConnectionLostError:
            return  # the exchange tells of it
        except RequestFailedError as error:
            self._view.note(f"Warning: {error}; the server's own model goes on")
        else:
            self._view.model(f"{status.current_model} ({status.device})")

    async def _exchange(self, connection: AsrConnection, again: bool) -> None:
        assert self._began_s is not None
        exchange = Exchange(
            connection,
            self._feed,
            self._view,
            self._timeline,
            self.finals,
            began_s=self._began_s,
            clock=self._clock,
            resends=self._reconnect and not self._stop.is_set(),
            goes_on=self._goes_on,
        )
        loading = asyncio.create_task(self._load_again(connection, again), name="load model")
        try:
            await exchange.run(self._stop)
        finally:
            loading.cancel()
            await asyncio.wait({loading})
            self.failed = self.failed or exchange.failed

    def _tell_lost(self, feed: Feed) -> None:
        note = feed.lost_note()
        if note is not None:
            self.failed = True
            self._view.note(note)
