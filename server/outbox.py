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
SLOW_CONSUMER_REASON = "slow consumer: transcripts were not read in time; reconnect"


class Socket(Protocol):
    """What an outbox needs of a WebSocket connection."""

    async def send(self, message: str) -> None:
        """Send one text message."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close with a code and reason."""
        ...


class _Entry:
    __slots__ = ("key", "text")

    def __init__(self, text: str, key: str | None) -> None:
        self.text = text
        self.key = key


class Outbox:
    """Encoded events in order. `put` never waits.

    Bound: 256 events or 1 Mi characters. Overflow: an event with a key (a partial) replaces the
    waiting one of that key, or is left out when there is no room; when events without a key
    (finals, errors, answers) fill the outbox, the connection is closed with 1013.
    """

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._keyed: dict[str, _Entry] = {}
        self._chars = 0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.overflowed = False
        self.merged = 0

    def put(self, text: str, key: str | None = None) -> None:
        """Queue an encoded event."""
        if self.overflowed:
            return
        waiting = self._keyed.get(key) if key is not None else None
        if waiting is not None:
            self._chars += len(text) - len(waiting.text)
            waiting.text = text
            self.merged += 1
            return
        if len(self._entries) >= MAX_EVENTS or self._chars + len(text) > MAX_CHARS:
            if key is not None:
                self.merged += 1
                return
            self.overflowed = True
        else:
            self._append(_Entry(text, key))
        self._wake.set()

    def supersede(self, key: str) -> None:
        """A final is about to be queued: a waiting partial of that key says nothing new."""
        waiting = self._keyed.pop(key, None)
        if waiting is not None:
            self._entries.remove(waiting)
            self._chars -= len(waiting.text)
            self.merged += 1

    async def run(self, socket: Socket) -> None:
        """Send until cancelled or the connection fails (its exception is the caller's)."""
        while True:
            await self._wake.wait()
            while self._entries and not self.overflowed:
                await socket.send(self._pop().text)
            if self.overflowed:
                logger.warning(
                    "closing a connection that does not read (%d waiting)", len(self._entries)
                )
                await socket.close(SLOW_CONSUMER_CODE, SLOW_CONSUMER_REASON)
                return
            self._wake.clear()
            self._empty.set()

    async def flushed(self) -> None:
        """Wait until everything queued has been handed to the socket."""
        await self._empty.wait()

    def _append(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._chars += len(entry.text)
        self._empty.clear()
        if entry.key is not None:
            self._keyed[entry.key] = entry

    def _pop(self) -> _Entry:
        entry = self._entries.popleft()
        self._chars -= len(entry.text)
        if entry.key is not None:
            self._keyed.pop(entry.key, None)
        return entry
