"""A door without limits, for servers of tests that are not about them."""

from __future__ import annotations

import functools
from typing import cast

from server.connection import Connection
from server.failed_handshake import Failure
from server.handshake import Handshake
from server.porter import Rates
from server.roll import Visit


class Welcome:
    """A porter who lets everybody in."""

    def arrive(self, remote: str) -> Visit | None:
        return Visit(remote)

    def admit(self, visit: Visit, handshake: Handshake) -> None: ...

    def failed(self, visit: Visit, failure: Failure) -> None:
        pass

    def leave(self, visit: Visit) -> None: ...


def open_door() -> type[Connection]:
    """What makes connections without limits."""
    make = functools.partial(Connection, porter=Welcome(), rates=Rates())
    return cast(type[Connection], make)
