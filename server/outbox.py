"""What waits to be sent on one connection: bounded, and never a reason for anybody to wait."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

logger = logging.getLogger(__name__)

MAX_EVENTS = 256
MAX_CHARS = 1_048_576
SLOW_CONSUMER_CODE = 1013
CLOSE_S = 2.0
"""How long a slow consumer has to take the close frame before its connection is cut."""
SLOW_CONSUMER_REASON = "slow consumer: transcripts were not read in time; reconnect"


class Transport(Protocol):
    """The connection below a WebSocket."""

    def abort(self) -> None:
        """Cut it without a word."""
        ...


class Socket(Protocol):
    """What an outbox needs of a WebSocket connection."""

    @property
    def transport(self) -> Transport:
        """What carries it."""
        ...

    async def send(self, message: str) -> None:
        """Send one text message."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and reason."""
        ...


class _Entry:
    __slots__ = ("counts", "key", "text")

    def __init__(self, text: str, key: str | None, *, counts: bool = True) -> None:
        self.text: str | None = text
        """None once a later event took its place."""
        self.key = key
        self.counts = counts
        """It takes room within the bound."""


class Outbox:
    """Encoded events in order. `put` never waits.

    Bound: 256 events or 1 Mi characters, and beyond that what was said before a client came or
    while it was away, which its session's ring bounds. Overflow: an event with a key (a partial, a
    provisional final) is left out when there is no room; when events without a key (finals, errors,
    answers) fill the outbox, the connection is closed with 1013. An event with a key takes the
    waiting one of that key out, and stands in the order of its own time: numbers of events only
    grow.
    """

    def __init__(self, close_s: float = CLOSE_S) -> None:
        self._close_s = close_s
        self._entries: deque[_Entry] = deque()
        self._keyed: dict[str, _Entry] = {}
        self._waiting = 0
        """All entries that are to be sent."""
        self._counted = 0
        self._chars = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._overflow = asyncio.Event()
        self.merged = 0

    @property
    def overflowed(self) -> bool:
        """The connection read too slowly and is being closed; nothing more is queued."""
        return self._overflow.is_set()

    @property
    def entries_kept(self) -> int:
        """How many are held, those included whose place a later one took."""
        return len(self._entries)

    def put(self, text: str, key: str | None = None) -> None:
        """Queue an encoded event."""
        if self.overflowed:
            return
        if key is not None:
            self.supersede(key)
        if self._counted >= MAX_EVENTS or self._chars + len(text) > MAX_CHARS:
            if key is not None:
                self.merged += 1
                return
            self._overflow.set()
            return
        self._append(_Entry(text, key))

    def put_backlog(self, text: str, key: str | None = None) -> None:
        """Queue what was said before the client came, or while it was away: beyond the bound."""
        self._append(_Entry(text, key, counts=False))

    def supersede(self, key: str) -> None:
        """What is about to be queued says all that a waiting event of that key does."""
        waiting = self._keyed.pop(key, None)
        if waiting is not None and waiting.text is not None:
            self._release(waiting, waiting.text)
            waiting.text = None
            self.merged += 1
            if len(self._entries) > 2 * self._waiting + MAX_EVENTS:
                self._entries = deque(e for e in self._entries if e.text is not None)

    async def run(self, socket: Socket) -> None:
        """Send until cancelled, overflowed or the connection fails (its exception is raised)."""
        sending = asyncio.create_task(self._send_all(socket), name="outbox")
        overflow = asyncio.create_task(self._overflow.wait(), name="outbox overflow")
        try:
            await asyncio.wait((sending, overflow), return_when=asyncio.FIRST_COMPLETED)
            if not overflow.done():
                sending.result()
        finally:
            sending.cancel()
            overflow.cancel()
            await asyncio.gather(sending, overflow, return_exceptions=True)
        logger.warning("closing a connection that does not read (%d waiting)", self._waiting)
        await self._close_slow(socket)

    async def _send_all(self, socket: Socket) -> None:
        while True:
            await self._wake.wait()
            while self._entries:
                text = self._pop()
                if text is not None:
                    await socket.send(text)
            self._wake.clear()
            self._empty.set()

    async def _close_slow(self, socket: Socket) -> None:
        """Say why and close. Who reads nothing at all would hold up the close frame for ever."""
        self._entries.clear()
        self._keyed.clear()
        self._empty.set()
        try:
            async with asyncio.timeout(self._close_s):
                await socket.close(SLOW_CONSUMER_CODE, SLOW_CONSUMER_REASON)
        except TimeoutError:
            socket.transport.abort()

    async def flushed(self) -> None:
        """Wait until everything queued has been handed to the socket."""
        await self._empty.wait()

    def _append(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._waiting += 1
        if entry.counts:
            self._counted += 1
            self._chars += len(entry.text or "")
        self._empty.clear()
        self._wake.set()
        if entry.key is not None:
            self._keyed[entry.key] = entry

    def _pop(self) -> str | None:
        entry = self._entries.popleft()
        if entry.text is None:
            return None
        self._release(entry, entry.text)
        if entry.key is not None:
            self._keyed.pop(entry.key, None)
        return entry.text

    def _release(self, entry: _Entry, text: str) -> None:
        self._waiting -= 1
        if entry.counts:
            self._counted -= 1
            self._chars -= len(text)
