"""The source's side of a conversation: audio read, kept, and given to whoever sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from client.kept_audio import KeptAudio
from client.sources import Source, SourceError

PATIENCE_S = 60.0
"""A server from which nothing comes for so long owes no final."""


class Feed:
    """Reads a source in a task of its own, from `start` on, into what is kept of it.

    A source that can wait is read ahead by its `read_ahead_s`; for one that cannot, KeptAudio
    drops the oldest. `on_block` is told of every block.
    """

    def __init__(
        self,
        source: Source,
        hint: str = "",
        on_block: Callable[[bytes], object] = lambda _: None,
        patience_s: float = PATIENCE_S,
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
        self._patience_s = patience_s
        self._failure: SourceError | None = None
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def connected(self) -> None:
        """A stream begins; the first one starts the source."""
        self.kept.connected()
        self._changed.set()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_until_stopped(), name="read source")

    def disconnected(self) -> None:
        """The stream is gone."""
        self.kept.disconnected()
        self._changed.set()

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
        while (block := self.kept.take_block()) is None:
            if self.ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return block

    def wake(self) -> None:
        """What is kept changed: there may be room to read on."""
        self._changed.set()

    def raise_failure(self) -> None:
        """Raise the SourceError that ended the source, if one did."""
        if self._failure is not None:
            raise self._failure

    def lost_note(self, at_least_s: float = 0.0) -> str | None:
        """For the user: what was lost since last told; None if that is nothing, or less."""
        lost_s = self.kept.take_lost_s(at_least_s)
        if lost_s == 0:
            return None
        return (
            f"Error: {lost_s:.1f} s of {self.name} were not recognised: too much waited for "
            "the server, and the oldest was dropped."
        )

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
                    await self._await_change()

    async def _await_change(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._changed.wait()
        except TimeoutError:
            self.kept.answer_no_more()

    def _has_room(self) -> bool:
        ahead_s = self._source.read_ahead_s
        return ahead_s is None or self.kept.has_room(ahead_s * 1000)
