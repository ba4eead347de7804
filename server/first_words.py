"""What a connection says before it is in any session, where its address promised a message."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection

from server.messages import ErrorEvent, optional
from server.protocol import (
    Authenticate,
    ProtocolError,
    Resume,
    encode,
    parse_authenticate,
    parse_first,
)

FIRST_MESSAGE_S = 10.0
POLICY_VIOLATION = 1008
UNAUTHORISED = 4401

STRANGERS_MESSAGE_BYTES = 65_536
"""Whom nobody knows yet may have this much kept per message."""


async def read_token(
    connection: ServerConnection, limit_s: float, max_size_bytes: int
) -> Authenticate | None:
    """The `authenticate` of a connection with `?auth=message`; None, and it is closed, if none.

    `max_size_bytes` is the bound of messages that follow. Raises ConnectionClosed.
    """
    connection.protocol.max_message_size = STRANGERS_MESSAGE_BYTES
    try:
        async with asyncio.timeout(limit_s):
            request = parse_authenticate(await connection.recv())
    except TimeoutError:
        await connection.close(UNAUTHORISED, f"no token came within {limit_s:g} s")
        return None
    except ProtocolError as error:
        await say_unauthorised(connection, error.message, error.request_id)
        return None
    connection.protocol.max_message_size = max_size_bytes
    return request


async def say_unauthorised(
    connection: ServerConnection, message: str, request_id: str | None
) -> None:
    """Tell a connection that it is not let in, and close it. Raises ConnectionClosed."""
    event = ErrorEvent(
        code="unauthorised", message=message, fatal=True, request_id=optional(request_id)
    )
    await connection.send(encode(event))
    await connection.close(UNAUTHORISED, "unauthorised")


async def read_resume(connection: ServerConnection) -> Resume | None:
    """The `resume` of a connection with `?resume=back`; None, and it is closed, if none comes.

    Raises ConnectionClosed.
    """
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            return parse_first(await connection.recv())
    except TimeoutError:
        await connection.close(POLICY_VIOLATION, "no resume came")
    except ProtocolError as error:
        event = ErrorEvent(code=error.code, message=error.message, fatal=True)
        await connection.send(encode(event))
        await connection.close(POLICY_VIOLATION, "the first message must be resume")
    return None
