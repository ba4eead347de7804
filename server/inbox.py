"""What waits to be processed of one audio connection: bounded in seconds of audio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

OVERLOADED_AFTER_S = 5.0
MAX_OTHER_ITEMS = 64

ItemT = TypeVar("ItemT")


class Inbox(Generic[ItemT]):
    """A queue of audio and of commands among it, in order.

    Bound: `limit_s` of audio (a longer message is taken when no other waits) and 64 commands.
    Overflow: `put` waits, so that TCP slows the sender; nothing is dropped. `on_overload` is
    called whenever nothing at all was consumed for `overloaded_after_s` of waiting. Once it is
    closed, `put` appends no audio.
    """

    def __init__(
        self,
        limit_s: float,
        on_overload: Callable[[], None],
        overloaded_after_s: float = OVERLOADED_AFTER_S,
        take: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        """`take` is awaited before audio of so many seconds is appended by `put`."""
        self._take = take
        self._limit_s = limit_s
        self._on_overload = on_overload
        self._overloaded_after_s = overloaded_after_s
        self._items: deque[tuple[ItemT, float]] = deque()
        self._audio_s = 0.0
        self._commands = 0
        self._consumed = 0
        self._closed = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def audio_s(self) -> float:
        """Seconds of audio that wait."""
        return self._audio_s

    async def put(self, item: ItemT, audio_s: float = 0.0) -> bool:
        """Append an item once there is room for it; False if there will be none.

        Safe to cancel: all or nothing.
        """
        if self._take is not None and audio_s > 0.0:
            await self._take(audio_s)
        while not self._has_room(audio_s):
            await self._wait_for_room()
        if self._closed and audio_s > 0.0:
            return False
        self.put_now(item, audio_s)
        return True

    def close(self) -> None:
        """No more audio is wanted."""
        self._closed = True
        self._room.set()

    def put_now(self, item: ItemT, audio_s: float = 0.0) -> None:
        """Append regardless of the bound (the server's own commands)."""
        self._items.append((item, audio_s))
        self._audio_s += audio_s
        self._commands += audio_s == 0.0
        self._ready.set()

    def note_progress(self) -> None:
        """Part of the audio that was taken last has been consumed: nothing stands still."""
        self._consumed += 1

    async def get(self) -> ItemT:
        """Take the oldest item (one consumer). Safe to cancel: nothing is lost."""
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._pop()

    def get_audio_behind(self) -> list[ItemT]:
        """Take the audio that waits at the front, up to the first command."""
        taken = []
        while self._items and self._items[0][1] > 0.0:
            taken.append(self._pop())
        return taken

    def _pop(self) -> ItemT:
        item, audio_s = self._items.popleft()
        self._audio_s = self._audio_s - audio_s if self._items else 0.0
        self._commands -= audio_s == 0.0
        self._consumed += 1
        self._room.set()
        return item

    def _has_room(self, audio_s: float) -> bool:
        if audio_s == 0.0:
            return self._commands < MAX_OTHER_ITEMS
        return self._closed or self._audio_s == 0.0 or self._audio_s + audio_s <= self._limit_s

    async def _wait_for_room(self) -> None:
        consumed = self._consumed
        self._room.clear()
        try:
            async with asyncio.timeout(self._overloaded_after_s):
                await self._room.wait()
        except TimeoutError:
            if consumed == self._consumed:
                self._on_overload()
