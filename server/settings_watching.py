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
    # audio log
    audio_log: bool = row(
        False,
        "write what is heard to disk, for debugging; everybody who connects is told",
        flag=True,
    )
    audio_log_dir: str = row(
        "", "its folder, readable by the server's user only; empty for audio_log in the cache"
    )
    audio_log_mb: int = row(500, "at most so much is kept, the oldest goes", low=1, high=1_000_000)
    audio_log_days: float = row(
        7.0, "what is older is deleted, while the server runs", low=0.001, high=3_650.0
    )
    # watchdog
    no_text_s: float = row(
        20.0,
        "seconds after speech without a word about it, until the server calls itself degraded",
        low=2.0,
        high=600.0,
    )
    decode_timeout_s: float = row(
        60.0,
        "seconds until a decode counts as hanging, and another thread takes its place",
        low=0.05,
        high=600.0,
    )
    # metrics
    metrics: str = row(
        "local",
        "who may read /metrics: programs on this machine (and admins with their token, from "
        "anywhere), everybody, nobody",
        flag=True,
        choices=("local", "all", "off"),
    )
    metrics_port: int = row(
        0, "a port for /metrics alone; 0: it is on the control port", low=0, high=65_535
    )
    metrics_host: str = row("127.0.0.1", "the address of that port")
