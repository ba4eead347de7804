"""Why a TCP connection never came to a handshake that could be judged. Pure."""

from __future__ import annotations

from enum import Enum

from websockets.exceptions import SecurityError


class Failure(Enum):
    """Values are stable, for logs and metrics."""

    NO_REQUEST = "no_request"
    """It said nothing and left: a port scanner, or somebody who looks whether the port is open."""
    INCOMPLETE = "incomplete_request"
    """It left within its request."""
    BAD_HTTP = "bad_http"
    TOO_LARGE = "headers_too_large"
    TIMEOUT = "timeout"
    BAD_HANDSHAKE = "bad_handshake"
    """HTTP, but no handshake of the WebSocket protocol."""


def failure_of(
    error: Exception | None, received_bytes: int, *, timed_out: bool, too_large: bool
) -> Failure:
    """Of a connection without a request. `error` is the library's, if it found something wrong."""
    if too_large:
        return Failure.TOO_LARGE
    if timed_out:
        return Failure.TIMEOUT
    if received_bytes == 0:
        return Failure.NO_REQUEST
    cause = None if error is None else error.__cause__
    if error is None or isinstance(cause, EOFError):
        return Failure.INCOMPLETE
    if isinstance(error, SecurityError) or isinstance(cause, SecurityError):
        return Failure.TOO_LARGE
    return Failure.BAD_HTTP
