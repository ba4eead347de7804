"""What the end of a connection means to the client. Pure."""

from __future__ import annotations

from websockets.exceptions import ConnectionClosed

from client.errors import ConnectionLostError
from client.trust import TOKEN_HINT

TOKEN_GONE = 4401
ENDS = {
    TOKEN_GONE: TOKEN_HINT,
    4031: "Nothing went over it for as long as the server's operator allows. Start the client "
    "again to go on.",
    4032: "It lasted as long as the server's operator allows. Start the client again to go on.",
}
"""Close codes that are no accident: trying again at once helps nobody. What to do instead."""
LEAVING = frozenset({1001, 1012, *ENDS})
"""Close codes of a server that still sends what is owed on the port that is open."""


def lost(error: Exception) -> ConnectionLostError:
    """For whoever used the connection that ended so."""
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return closed_by_server(error.rcvd.code, error.rcvd.reason)
    return ConnectionLostError(f"the connection to the server was lost: {error}")


def closed_by_server(code: int | None, reason: str) -> ConnectionLostError:
    """For whoever used a connection that the server closed."""
    told = f"the server closed the connection ({code} {reason or 'no reason given'})"
    hint = None if code is None else ENDS.get(code)
    if hint is None:
        return ConnectionLostError(told)
    return ConnectionLostError(f"{told}\n{hint}", may_pass=False)
