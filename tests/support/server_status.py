"""What a server says of itself, and what it does once it has noticed what happened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support.running_server import Client

LIMIT_S = 60.0
FREE_LIMIT_S = 8.0
"""Less than the time in which who was let in is expected to speak."""


async def status_of(control: Client) -> dict[str, Any]:
    return await control.ask({"type": "get_status"}, "server_status")


async def until_status(control: Client, holds: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            if holds(await status_of(control)):
                return
            await asyncio.sleep(0.05)  # the server looks at its load now and then


async def open_when_free(url: str, **how: Any) -> ClientConnection:
    """A connection, once the server has noticed that another one has gone."""
    async with asyncio.timeout(FREE_LIMIT_S):
        while True:
            with contextlib.suppress(InvalidStatus):
                return await connect(url, **how)
            await asyncio.sleep(0)
