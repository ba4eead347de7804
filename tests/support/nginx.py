"""nginx as docs/ configures it, for real, on free ports of this machine."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest
import trustme
from websockets.asyncio.client import connect

from tests.support.running_server import Client

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOST = "localhost"
START_LIMIT_S = 10.0
POLL_S = 0.02
"""nginx tells nobody that it listens, or has reloaded."""

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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for localhost, and the file of the authority that made it."""

    cert: Path
    key: Path
    authority: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        authority, made = trustme.CA(), cls(folder / "cert.pem", folder / "key.pem", folder / "ca")
        issued = authority.issue_cert(HOST, "127.0.0.1")
        issued.private_key_pem.write_to_path(made.key)
        for blob in issued.cert_chain_pems:
            blob.write_to_path(made.cert, append=True)
        authority.cert_pem.write_to_path(made.authority)
        return made

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a plain request got."""

    status: HTTPStatus
    headers: Mapping[str, str]
    text: str


async def get(port: int, path: str, tls: ssl.SSLContext | None = None) -> Answer:
    """Ask localhost; a redirect is not followed."""

    def ask() -> Answer:
        if tls is None:
            connection = http.client.HTTPConnection(HOST, port, timeout=START_LIMIT_S)
        else:
            connection = http.client.HTTPSConnection(HOST, port, timeout=START_LIMIT_S, context=tls)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(HTTPStatus(answer.status), headers, answer.read().decode())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


@dataclass(slots=True)
class Nginx:
    """A running nginx. `folder` holds its configuration and logs."""

    folder: Path
    https_port: int
    http_port: int
    process: asyncio.subprocess.Process
    tls: ssl.SSLContext

    def url(self, path: str) -> str:
        return f"wss://{HOST}:{self.https_port}{path}"

    async def get(self, path: str) -> Answer:
        return await get(self.https_port, path, self.tls)

    @asynccontextmanager
    async def connect(self, path: str) -> AsyncIterator[Client]:
        async with connect(self.url(path), ssl=self.tls, max_size=None) as socket:
            yield Client(socket)

    @property
    def access_log(self) -> str:
        return (self.folder / "thai-asr.log").read_text()

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


def configured(text: str, folder: Path, certificate: Certificate, ports: Mapping[int, int]) -> str:
    """A configuration of docs/ with paths and ports of the test; all else as it is shipped."""
    for old, new in ports.items():
        text = re.sub(rf"listen {old}\b", f"listen 127.0.0.1:{new}", text)
        text = re.sub(rf"listen \[::\]:{old}\b", f"listen 127.0.0.2:{new}", text)
        if old > 1024:
            text = re.sub(rf"\b{old}\b", str(new), text)
    for there, here in (
        ("/path/to/cert.pem", certificate.cert),
        ("/path/to/key.pem", certificate.key),
        ("/var/log/nginx", folder),
    ):
        assert there in text
        text = text.replace(there, str(here))
    return text


@asynccontextmanager
async def run_nginx(
    folder: Path, certificate: Certificate, ports: Mapping[int, int], name: str = "nginx.conf"
) -> AsyncIterator[Nginx]:
    """Run a configuration of docs/, with these ports in place of those it names."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("needs nginx (Debian, Ubuntu: apt install nginx-light)")
    https_port, http_port = free_port(), free_port()
    _write(folder, certificate, {443: https_port, 80: http_port, **ports}, name)
    process = await asyncio.create_subprocess_exec(
        program, "-c", folder / "nginx.conf", "-e", folder / "start.log"
    )
    try:
        assert await _listens(process, https_port), (folder / "start.log").read_text()
        yield Nginx(folder, https_port, http_port, process, certificate.client_context())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _write(folder: Path, certificate: Certificate, ports: Mapping[int, int], name: str) -> None:
    folder.mkdir(exist_ok=True)
    shipped = (DOCS / name).read_text(encoding="utf-8")
    site = configured(shipped, folder, certificate, ports)
    (folder / "site.conf").write_text(site, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # the folder of a test is its user's only
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    """True once it does, False if it ended."""
    async with asyncio.timeout(START_LIMIT_S):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(POLL_S)
                continue
            writer.close()
            return True
    return False
