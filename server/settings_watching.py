"""Rows of the settings table: how the server is seen from outside."""

from __future__ import annotations

from dataclasses import dataclass

from server.setting_rows import row


@dataclass(frozen=True, kw_only=True)
class WatchingSettings:
    """How the server is seen from outside."""

    # log
    log_level: str = row(
        "info", "how much is logged", flag=True, choices=("debug", "info", "warning", "error")
    )
    log_file: str = row("server.log", "log file, rotated; empty for none", flag=True)
    log_format: str = row(
        "readable",
        "lines for people, or one JSON object a line",
        flag=True,
        choices=("readable", "json"),
    )
    # metrics
    metrics: str = row(
        "local",
        "who may read /metrics on the control port: programs on this machine, everybody, nobody",
        flag=True,
        choices=("local", "all", "off"),
    )
