"""Whether a client that sends nothing is still there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Protocol

from websockets.exceptions import ConnectionClosed

AFTER_RETURN_S = 1.0
"""A client that is back sends again what was lost before it counts as silent."""


SETTLED_S = 0.5
"""What arrived ahead of a pong may still be on its way inside the server."""


class Line(Protocol):
    """A WebSocket connection, as far as it can be asked for a sign of life."""

    async def ping(self) -> Awaitable[float]:
        """Send a ping; what is returned waits for its pong."""
        ...


class Presence:
    """A client that may come back is not taken for silent because its network is.

    What `matters` is False for is always there. Otherwise the client is there half a second after
    it answered a ping that was sent when it fell silent: what it had sent before has arrived then.
    """

    def __init__(self, *, matters: bool) -> None:
        self._matters = matters
        self._line: Line | None = None
        self._asking: asyncio.Task[None] | None = None
        self._wanted = False
        self._answered_s: float | None = None

    def attach(self, line: Line) -> None:
        """The client's connection stands."""
        self._line = line
        if self._wanted:
            self._start_asking(AFTER_RETURN_S)

    def detach(self) -> None:
        """The connection is lost."""
        self._line = None
        self._stop_asking()

    def look(self) -> None:
        """The wire fell silent: ask for a sign of life."""
        if self._matters:
            self._wanted = True
            self._start_asking(0.0)

    def is_there(self) -> bool:
        """Whether the client is known to be there, and silent."""
        if not self._matters:
            return True
        now_s = asyncio.get_running_loop().time()
        return self._answered_s is not None and now_s >= self._answered_s + SETTLED_S

    def _start_asking(self, delay_s: float) -> None:
        self._stop_asking()
        if self._line is not None:
            asking = self._ask(self._line, delay_s)
            self._asking = asyncio.create_task(asking, name="ask a silent client")

    def _stop_asking(self) -> None:
        self._answered_s = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self, line: Line, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        with contextlib.suppress(ConnectionClosed):
            await (await line.ping())
            self._answered_s = asyncio.get_running_loop().time()
