"""TCP connections whose buffers fill soon on both sides, as those of a slow network do."""

from __future__ import annotations

import socket

SEGMENT_BYTES = 536
"""The system gives a connection of short segments a short send buffer: tens of kilobytes. On the
loopback it is megabytes, and a server would not notice for minutes who does not read."""

RECEIVE_BYTES = 4_096


def narrow_socket(port: int) -> socket.socket:
    """A connection to a port of this machine."""
    narrow = socket.socket()
    narrow.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    narrow.connect(("127.0.0.1", port))
    return narrow
