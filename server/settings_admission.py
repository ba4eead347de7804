"""Rows of the settings table: who is let in, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from server.setting_rows import row


@dataclass(frozen=True, kw_only=True)
class AdmissionSettings:
    """Who is let in, and for how long."""

    # admission
    max_connections: int = row(
        1_000, "connections of both ports; 0: no limit", low=0, high=1_000_000
    )
    max_connections_per_address: int = row(
        400, "connections of one address; 0: no limit", low=0, high=1_000_000
    )
    max_handshakes_per_address: int = row(
        500,
        "TCP connections of one address that have not said what they want; 0: no limit",
        low=0,
        high=1_000_000,
    )
    max_sessions: int = row(500, "sessions; 0: no limit", low=0, high=1_000_000)
    max_streams: int = row(
        200, "audio connections that may send; 0: no limit", low=0, high=1_000_000
    )
    admit_latency_s: float = row(
        4.0,
        "new streams are refused while finals wait longer than this for a decode worker, or would "
        "with one more; 0: never",
        low=0.0,
        high=600.0,
    )
    open_timeout_s: float = row(10.0, "longest that a handshake may take", low=0.1, high=600.0)
    idle_s: float = row(
        0.0,
        "a connection on which no message went either way for so long is closed; 0: never",
        low=0.0,
        high=1e6,
    )
    max_session_s: float = row(
        0.0, "longest that a connection lasts; 0: no limit", low=0.0, high=1e7
    )
    ping_interval_s: float = row(
        20.0, "a ping goes to each client so often; 0: none", low=0.0, high=3_600.0
    )
    ping_timeout_s: float = row(
        60.0,
        "a client from which nothing comes for so long after a ping is gone; 0: never",
        low=0.0,
        high=3_600.0,
    )
