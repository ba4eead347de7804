"""Rows of the settings table: who may connect, from where, and how."""

from __future__ import annotations

from dataclasses import dataclass

from server.setting_rows import row

PATHS = ("access_file", "tls_cert", "tls_key")
NETWORKS = ("allowed_addresses", "trusted_proxies", "allowed_origins")


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """Who may connect, from where, and how."""

    # access
    access_file: str = row(
        "",
        "TOML file of tokens with their names, roles and namespaces; read again on SIGHUP",
        flag=True,
    )
    authenticate_s: float = row(
        10.0,
        "how long a connection with ?auth=message may take to send its token",
        low=0.1,
        high=60.0,
    )
    tls_cert: str = row(
        "",
        "certificate (PEM, with what is between it and its root): both ports are wss then; "
        "read again on SIGHUP",
        flag=True,
    )
    tls_key: str = row("", "the certificate's key (PEM, without a password)", flag=True)
    allowed_addresses: str = row(
        "",
        "networks whose clients are answered, like 192.168.1.0/24, 10.0.0.7; empty for all",
        flag=True,
    )
    trusted_proxies: str = row(
        "",
        "networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, and "
        "which do the TLS",
        flag=True,
    )
    allowed_origins: str = row(
        "",
        "origins whose pages may connect besides the server's own, like https://example.org; "
        "* for all",
        flag=True,
    )
    file_pages: bool = row(
        True, "pages opened from disk may connect to a server that listens on this machine only"
    )
    insecure: bool = row(
        False,
        "listen beyond this machine without token or TLS: open to everybody who reaches "
        "this address",
        flag=True,
    )
