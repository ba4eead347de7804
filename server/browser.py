"""Opens the page in the browser of whoever started the server."""

from __future__ import annotations

import logging
import threading
import webbrowser
from collections.abc import Callable

logger = logging.getLogger(__name__)

WILDCARD_HOSTS = ("0.0.0.0", "::", "")
"""Addresses to listen on that mean every address; no browser can go there."""


def page_url(host: str, port: int, *, secure: bool = False) -> str:
    """Where a browser on this machine finds the page of a server that listens on `host`."""
    return f"{'https' if secure else 'http'}://{_authority(host, port)}/"


def socket_url(host: str, port: int, *, secure: bool = False) -> str:
    """Where a client on this machine finds a port of a server that listens on `host`."""
    return f"{'wss' if secure else 'ws'}://{_authority(host, port)}"


def _authority(host: str, port: int) -> str:
    if host in WILDCARD_HOSTS:
        host = "localhost"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_page(url: str, open_url: Callable[[str], bool] = webbrowser.open) -> threading.Thread:
    """Have the default browser open `url`, without waiting for it; a failure is logged.

    The thread is a daemon: a browser that runs in the terminal and never returns must not keep the
    server from ending.
    """

    def work() -> None:
        try:
            opened = open_url(url)
        except (OSError, webbrowser.Error) as error:
            logger.warning("no browser could be started (%s): open %s yourself", error, url)
            return
        if not opened:
            logger.warning("no browser was found: open %s yourself", url)

    thread = threading.Thread(target=work, name="open page", daemon=True)
    thread.start()
    return thread
