"""`--doctor`: whether the two ports can be opened, and who has them if not."""

from __future__ import annotations

import errno
import http.client
import os
import socket
from collections.abc import Callable

import psutil

from server.findings import Finding, ok, problem, warning
from server.listener import LOOPBACK_HOSTS
from server.peer import Port

ANSWER_LIMIT_S = 2.0
READY_ANSWERS = ("ready\n", "no model loaded yet\n", "draining\n", "degraded: ")
"""What this server, and hardly any other, begins with at /readyz."""

Ask = Callable[[str, int], str]


def ask_readiness(host: str, number: int) -> str:
    """What answers at /readyz, empty if nothing does."""
    connection = http.client.HTTPConnection(host, number, timeout=ANSWER_LIMIT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().read(100).decode("ascii", "replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def check_ports(
    host: str, control_port: int, audio_port: int, ask: Ask = ask_readiness
) -> list[Finding]:
    """Both ports, as the server would open them."""
    if control_port == audio_port != 0:
        return [problem("ports", f"both are {audio_port}", "give --audio-port another number")]
    return [
        check_port(Port.CONTROL, host, control_port, ask),
        check_port(Port.AUDIO, host, audio_port, ask),
    ]


def check_port(port: Port, host: str, number: int, ask: Ask = ask_readiness) -> Finding:
    """One port: free, this server's, or somebody else's."""
    address = LOOPBACK_HOSTS[0] if host == "localhost" else host
    what = f"{port.value} port {number}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    other = f"choose another: --{port.value}-port {number + 1000 if number < 60_000 else 8765}"
    try:
        socket.create_server((address, number), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            if ask(address, number).startswith(READY_ANSWERS):
                there = "a server like this one runs there already"
                return warning(what, there, f"use it, or {other}")
            return problem(what, f"is taken{owner_of(number)}", f"end that program, or {other}")
        if error.errno == errno.EACCES:
            return problem(what, "may not be opened: reserved by the system", other)
        reason = os.strerror(error.errno) if error.errno else str(error)
        return problem(what, f"cannot be opened on {address} ({reason})", "check --host")
    return ok(what, "a free one will be chosen" if number == 0 else "is free")


def owner_of(number: int) -> str:
    """Who listens on a port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == number
                and connection.pid
            ):
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return " by another program"
