"""Apache as docs/apache.conf configures it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.front import Certificate, Front, configured, free_port, installed, running

MODULES = Path("/usr/lib/apache2/modules")
LOADED = (
    *("mpm_event", "authz_core", "socache_shmcb", "alias"),  # Debian's apache2 has them already
    *("proxy", "proxy_http", "proxy_wstunnel", "headers", "ssl", "reqtimeout"),  # a2enmod
)

MAIN = """\
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/start.log
ServerName localhost
{user}
{modules}
Listen 127.0.0.1:{https_port}
Listen 127.0.0.1:{http_port}
Include {folder}/site.conf
"""


@asynccontextmanager
async def run_apache(
    folder: Path, certificate: Certificate, ports: Mapping[int, int]
) -> AsyncIterator[Front]:
    """Run the configuration of docs/, with these ports in place of those it names."""
    program = installed("apache2", "apache2-bin")
    https_port, http_port = free_port(), free_port()
    _write(folder, certificate, {443: https_port, 80: http_port, **ports})
    command: list[str | Path] = [program, "-D", "FOREGROUND", "-f", folder / "main.conf"]
    async with running(command, https_port, folder / "start.log") as process:
        yield Front(folder, https_port, http_port, process, certificate.client_context())


def _write(folder: Path, certificate: Certificate, ports: Mapping[int, int]) -> None:
    folder.mkdir(exist_ok=True)
    site = configured("apache.conf", folder, certificate, ports, logs="/var/log/apache2")
    (folder / "site.conf").write_text(site, encoding="utf-8")
    main = MAIN.format(
        folder=folder,
        user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
        modules="\n".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so" for m in LOADED),
        https_port=ports[443],
        http_port=ports[80],
    )
    (folder / "main.conf").write_text(main)
