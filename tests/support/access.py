"""Tokens, and connections that show one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.support.running_server import Client, RunningServer

TOKENS = {
    "boss": ("boss-token-0123456789", "admin", "clinic"),
    "desk": ("desk-token-0123456789", "speaker", "clinic"),
    "screen": ("screen-token-0123456789", "viewer", "clinic"),
    "court": ("court-token-0123456789", "speaker", "court"),
}
"""Name to token, role and namespace."""


def token_of(name: str) -> str:
    return TOKENS[name][0]


def access_file(tmp_path: Path, *names: str) -> Path:
    """A file of those tokens, or of all."""
    path = tmp_path / "access.toml"
    entries = [
        f'[{name}]\ntoken = "{token}"\nrole = "{role}"\nnamespace = "{namespace}"\n'
        for name, (token, role, namespace) in TOKENS.items()
        if not names or name in names
    ]
    path.write_text("\n".join(entries), encoding="utf-8")
    path.chmod(0o600)
    return path


def base64url(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@asynccontextmanager
async def by_header(url: str, token: str, query: str = "?events=all") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"{url}/{query}", additional_headers=headers, max_size=None) as socket:
        yield Client(socket)


@asynccontextmanager
async def by_subprotocol(url: str, token: str, query: str = "?events=all") -> AsyncIterator[Client]:
    offered = [Subprotocol("thai-asr"), Subprotocol(f"token.{base64url(token)}")]
    async with connect(f"{url}/{query}", subprotocols=offered, max_size=None) as socket:
        yield Client(socket)


@asynccontextmanager
async def by_message(url: str, token: str, query: str = "?events=all") -> AsyncIterator[Client]:
    async with connect(f"{url}/{query}&auth=message", max_size=None) as socket:
        await socket.send(authenticate(token))
        yield Client(socket)


def authenticate(token: str, **more: Any) -> str:
    return json.dumps({"type": "authenticate", "token": token, **more})


async def reload(server: RunningServer) -> None:
    """Read tokens and certificate again, as SIGHUP does it, to the end."""
    server.app.reload()
    while not (begun := _reloads()):  # noqa: ASYNC110 - it begins within a few turns of the loop
        await asyncio.sleep(0)
    await asyncio.gather(*begun)


def _reloads() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "reload once"]
