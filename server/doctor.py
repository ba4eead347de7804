"""`--doctor`: is this machine fit, line by line, and what to do where it is not."""

from __future__ import annotations

from server.settings import Settings


def examine(settings: Settings) -> int:
    """Look at everything (blocking). The exit status is 0 if the server can run."""
    raise NotImplementedError(settings)
