"""Who counts connections, and how much one may send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.failed_handshake import Failure
from server.handshake import Handshake
from server.roll import Visit


@dataclass(frozen=True, slots=True)
class Rates:
    """What one connection may send on the average; 0 is no bound. Pings are messages, too."""

    messages_per_s: float = 0.0
    bytes_per_s: float = 0.0


class Porter(Protocol):
    """Who counts connections."""

    def arrive(self, remote: str) -> Visit | None:
        """A TCP connection; None turns it away."""
        ...

    def admit(self, visit: Visit, handshake: Handshake) -> None:
        """Its handshake was accepted."""
        ...

    def leave(self, visit: Visit) -> None:
        """It is lost."""
        ...

    def failed(self, visit: Visit, failure: Failure) -> None:
        """One that is lost never came to a handshake that could be judged."""
        ...
