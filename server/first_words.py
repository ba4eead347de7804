"""What a connection says before it is in any session, where its address promised a message."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection

from server.messages import ErrorEvent
from server.protocol import ProtocolError, Resume, encode, parse_first

FIRST_MESSAGE_S = 10.0
POLICY_VIOLATION = 1008


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
