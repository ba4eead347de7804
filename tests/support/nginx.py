"""nginx as docs/ configures it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from tests.support.front import (
    POLL_S,
    START_LIMIT_S,
    Certificate,
    Front,
    configured,
    free_port,
    installed,
    running,
)

MAIN = """\
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/start.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path       {folder}/proxy;
    fastcgi_temp_path     {folder}/fastcgi;
    uwsgi_temp_path       {folder}/uwsgi;
    scgi_temp_path        {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Nginx(Front):
    """A running nginx."""

    async def reload(self) -> None:
        """`nginx -s reload`, done once the old workers take no more connections."""
        before = self._workers()
        self.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(self._wait_until_replaced, before)

    def _wait_until_replaced(self, before: set[int]) -> None:
        deadline_s = time.monotonic() + START_LIMIT_S
        while not ((now := self._workers()) - before and self._retired() >= before & now):
            assert time.monotonic() < deadline_s, "the old workers go on"
            time.sleep(POLL_S)

    def _workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def _retired(self) -> set[int]:
        """Old workers that only serve the connections that they have."""
        found = set()
        for child in psutil.Process(self.process.pid).children():
            try:
                if "shutting down" in " ".join(child.cmdline()):
                    found.add(child.pid)
            except psutil.NoSuchProcess:
                continue
        return found


@asynccontextmanager
async def run_nginx(
    folder: Path, certificate: Certificate, ports: Mapping[int, int], name: str = "nginx.conf"
) -> AsyncIterator[Nginx]:
    """Run a configuration of docs/, with these ports in place of those it names."""
    program = installed("nginx", "nginx-light")
    https_port, http_port = free_port(), free_port()
    _write(folder, certificate, {443: https_port, 80: http_port, **ports}, name)
    log = folder / "start.log"
    command: list[str | Path] = [program, "-c", folder / "nginx.conf", "-e", log]
    async with running(command, https_port, log) as process:
        yield Nginx(folder, https_port, http_port, process, certificate.client_context())


def _write(folder: Path, certificate: Certificate, ports: Mapping[int, int], name: str) -> None:
    folder.mkdir(exist_ok=True)
    site = configured(name, folder, certificate, ports, logs="/var/log/nginx")
    (folder / "site.conf").write_text(site, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # the folder of a test is its user's only
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
