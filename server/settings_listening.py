"""Rows of the settings table: where the server listens."""

from __future__ import annotations

from dataclasses import dataclass

from server.setting_rows import row


@dataclass(frozen=True, kw_only=True)
class ListeningSettings:
    """Where the server listens."""

    # where it listens
    host: str = row("localhost", "address to listen on; localhost is 127.0.0.1 and ::1", flag=True)
    control_port: int = row(
        8765, "control port and page; 0 picks a free one", flag=True, low=0, high=65535
    )
    audio_port: int = row(8766, "audio port; 0 picks a free one", flag=True, low=0, high=65535)
    shared_default: bool = row(
        False,
        "beyond this machine too, connections that name no session share `default`",
        flag=True,
    )
    open: bool = row(False, "open the page in the browser once the server is ready", flag=True)
