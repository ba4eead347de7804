"""Why the server is not to be sent more people, if it is not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from server.watchdog import Fault


class Health:
    """The faults in force, in words. The loop's thread is the only writer."""

    def __init__(self) -> None:
        self._faults: dict[Fault, str] = {}
        self.draining = False
        """The server ends."""

    @property
    def faults(self) -> Mapping[Fault, str]:
        """Each fault with what a person should know of it."""
        return MappingProxyType(self._faults)

    def degraded(self, fault: Fault, message: str) -> None:
        """A fault appeared."""
        self._faults[fault] = message

    def recovered(self, fault: Fault) -> None:
        """A fault is over."""
        self._faults.pop(fault, None)
