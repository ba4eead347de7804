"""The library's connection, with what its handshake said."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.server import ServerConnection

from server.handshake import Handshake


class Connection(ServerConnection):
    """A connection of either port. `admitted` is set once the gates have let it pass."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admitted: Handshake | None = None
