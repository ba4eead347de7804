"""A web server in front of the server, for real, on free ports of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import random
import re
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import connect

from tests.support.running_server import Client

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOST = "localhost"
TRUSTING: dict[str, Any] = {"trusted_proxies": "127.0.0.1"}
"""What docs/deployment.md has the server set."""
START_LIMIT_S = 10.0
POLL_S = 0.02
"""A web server tells nobody that it listens, or has reloaded."""


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection is given meanwhile."""
    while True:
        number = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number


def installed(program: str, package: str) -> str:
    """The path of a web server, or a skip that says what to install."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"needs {program} (Debian, Ubuntu: apt install {package})")
    return found


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
class Front:
    """A running web server. `folder` holds its configuration and logs."""

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


def configured(
    name: str, folder: Path, certificate: Certificate, ports: Mapping[int, int], logs: str
) -> str:
    """A configuration of docs/ with paths and ports of the test; all else as it is shipped."""
    text = (DOCS / name).read_text(encoding="utf-8")
    for old, new in ports.items():
        text = re.sub(rf"listen {old}\b", f"listen 127.0.0.1:{new}", text)
        text = re.sub(rf"listen \[::\]:{old}\b", f"listen 127.0.0.2:{new}", text)
        text = re.sub(rf"<VirtualHost \*:{old}>", f"<VirtualHost *:{new}>", text)
        if old > 1024:
            text = re.sub(rf"\b{old}\b", str(new), text)
    for there, here in (
        ("/path/to/cert.pem", certificate.cert),
        ("/path/to/key.pem", certificate.key),
        (logs, folder),
    ):
        assert there in text
        text = text.replace(there, str(here))
    return text


@asynccontextmanager
async def running(
    command: list[str | Path], port: int, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it until the block ends; inside, it listens."""
    process = await asyncio.create_subprocess_exec(*command)
    try:
        assert await _listens(process, port), await asyncio.to_thread(log.read_text)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


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
