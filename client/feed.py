"""The source's side of a conversation: audio read, kept, and given to whoever sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from client.kept_audio import KEPT_LIMIT_S, KeptAudio
from client.sources import Source, SourceError

LEAST_AHEAD_MS = 2_000
"""Silence is never covered by a final: the source is read on however much of it is kept."""


class Feed:
    """Reads a source in a task of its own, from `start` on, into what is kept of it.

    A source that can wait is read ahead by its `read_ahead_s`; for one that cannot, KeptAudio
    drops the oldest. `on_block` is told of every block.
    """

    def __init__(
        self, source: Source, hint: str = "", on_block: Callable[[bytes], object] = lambda _: None
    ) -> None:
        self.kept = KeptAudio(source.audio_format)
        self.name = source.name
        self.hint = hint
        self.header = source.header
        self.total_s = source.total_s
        self.ended = False
        """Nothing more comes from the source."""
        self._source = source
        self._on_block = on_block
        self._failure: SourceError | None = None
        self._connected = False
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    @property
    def base_ms(self) -> float:
        """Where on the source's clock the present stream begins."""
        return self.kept.base_ms

    def connected(self) -> None:
        """A stream begins; the first one starts the source."""
        self.kept.connected()
        self._connected = True
        self._changed.set()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_until_stopped(), name="read source")

    def disconnected(self) -> None:
        """The stream is gone."""
        self._connected = False
        self.kept.disconnected()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()

    async def close(self) -> None:
        """Give the source up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def next_block(self) -> bytes | None:
        """What is to be sent next, None when all was sent and the source has ended."""
        while (block := self.kept.next_block()) is None:
            if self.ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return block

    def sent(self, size: int, now_s: float) -> None:
        """So many bytes were sent."""
        self.kept.sent(size, now_s)
        self._changed.set()

    def raise_failure(self) -> None:
        """Raise the SourceError that ended the source, if one did."""
        if self._failure is not None:
            raise self._failure

    def take_lost_s(self) -> float:
        """Seconds that will never be recognised, since last asked."""
        return self.kept.take_lost_s()

    async def _read_until_stopped(self) -> None:
        reading = asyncio.create_task(self._read(), name="read blocks")
        stopping = asyncio.create_task(self._stop.wait(), name="wait for stop")
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            stopping.cancel()
            (failure, _) = await asyncio.gather(reading, stopping, return_exceptions=True)
            if isinstance(failure, SourceError):
                self._failure = failure
            elif isinstance(failure, Exception):
                self._failure = SourceError(f"reading {self.name} failed: {failure!r}")
            self.ended = True
            self._changed.set()

    async def _read(self) -> None:
        async with aclosing(self._source.blocks()) as blocks:
            async for block in blocks:
                self.kept.heard(block)
                self._on_block(block)
                self._changed.set()
                while not self._has_room():
                    self._changed.clear()
                    await self._changed.wait()

    def _has_room(self) -> bool:
        ahead_s = self._source.read_ahead_s
        if ahead_s is None:
            return True
        limit_ms = (KEPT_LIMIT_S - 1) * 1000
        ahead_ms = min(ahead_s * 1000, limit_ms)
        if not self._connected:
            return self.kept.kept_ms < ahead_ms
        # what is sent and not yet text must still be there when the connection is lost
        room = self.kept.kept_ms < limit_ms or self.kept.unsent_ms < LEAST_AHEAD_MS
        return room and self.kept.unsent_ms < ahead_ms
