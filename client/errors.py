"""What can go wrong between a client and its server. Every message is for the user."""

from __future__ import annotations


class ClientError(Exception):
    """Something failed. The message is for the user."""


class ConnectError(ClientError):
    """There is no server, or it does not let this client in.

    `may_pass`: trying again later can help (no answer, a server that starts, shuts down or is
    full), but not before `retry_after_s` if the server said so.
    """

    def __init__(self, message: str, *, may_pass: bool = True, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s


class ConnectionLostError(ClientError):
    """The connection ended before this client ended it.

    `may_pass`: trying again can help. Else the server ended it for good, and the message says why.
    """

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class RequestFailedError(ClientError):
    """The server refused a request, with a code of the protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ModelLoadError(RequestFailedError):
    """A model does not answer; the one before goes on. `code` says why: `no_network`, ..."""

    def __init__(self, model_id: str, code: str, message: str) -> None:
        super().__init__(code, message)
        self.model_id = model_id
