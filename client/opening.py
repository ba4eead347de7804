"""Opening both ports of one session.

async with connect() as asr:              # or connect("ws://server:8766")
    async for event in asr.transcribe(audio):
        ...
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from client.addresses import (
    Addresses,
    completed,
    is_loopback,
    resolve,
    what_to_do,
    with_query,
    without_secrets,
)
from client.audio_sender import DEFAULT_RATE_HZ
from client.errors import ConnectError
from client.events import BadEventError, parse_event
from client.resumption import Resumption
from client.stream import AsrConnection
from client.trust import refusal_hint, tls_hint, trusting
from server.messages import Connected

OPEN_LIMIT_S = 10.0
PING_INTERVAL_S = 5.0
PING_TIMEOUT_S = 30.0
"""A slow server reads pings behind the audio before them: two windows. A dead network must be
noticed, and left (CLOSE_TIMEOUT_S for each port), before kept audio has to be dropped."""
CLOSE_TIMEOUT_S = 1.0
SHOWN_BYTES = 500
PASSING_STATUSES = (429, *range(500, 600))
"""HTTP statuses of a server, or a proxy before it, that starts, drains, restarts or is full."""
LONGEST_RETRY_AFTER_S = 60.0

Role = Literal["speaker", "viewer"]
Finals = Literal["single", "revised"]


@asynccontextmanager
async def connect(
    server: str | Addresses | None = None,
    *,
    session: str | None = None,
    speaker: str | None = None,
    role: Role = "speaker",
    finals: Finals = "single",
    token: str | None = None,
    ca_file: Path | None = None,
    sample_rate_hz: int = DEFAULT_RATE_HZ,
    channels: int = 1,
    greeting_limit_s: float = OPEN_LIMIT_S,
    resumption: Resumption | None = None,
) -> AsyncIterator[AsrConnection]:
    """Connect both ports to one session, for PCM16 audio of the given rate and channels.

    `server` is the address of either port (None: ports 8765 and 8766 of this machine). A `viewer`
    hears everything and sends nothing. `token` is sent as `Authorization: Bearer`. `ca_file`
    (PEM) holds further certificates to trust for `wss://`. With the `resumption` of a connection
    that was lost it goes on where that ended, if it is not too late.
    Raises ConnectError, RequestFailedError, and AddressError for what is no WebSocket address.
    """
    addresses = server if isinstance(server, Addresses) else resolve(server, None)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    query: dict[str, str | None] = {"role": None if role == "speaker" else role}
    query["finals"] = None if finals == "single" else finals
    async with AsyncExitStack() as stack:
        door = _Door(stack, addresses, headers, trusting(ca_file), resumption)
        connection = await door.open_both(session, speaker, query, greeting_limit_s)
        stack.push_async_callback(connection.close)
        if role == "speaker" and connection.connected.role == "viewer":
            raise ConnectError(
                "this token is a viewer's, who only listens: use --viewer, or a speaker's token",
                may_pass=False,
            )
        if connection.resumed:
            connection.expect_format(sample_rate_hz, channels)
        elif role == "speaker":
            await connection.configure(sample_rate_hz, channels)
        yield connection


@dataclass(frozen=True, slots=True)
class _Door:
    """Opens WebSockets that the stack closes."""

    stack: AsyncExitStack
    addresses: Addresses
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    resumption: Resumption | None

    async def open_both(
        self,
        session: str | None,
        speaker: str | None,
        query: Mapping[str, str | None],
        greeting_limit_s: float,
    ) -> AsrConnection:
        """The first port says where the other one is. `query` goes to both."""
        addresses = self.addresses
        whole = {**query, "speaker": speaker, "events": "all"}  # either port takes all of it
        first_url = with_query(addresses.first, session=session, **whole)
        if addresses.either is None:  # it is the control port
            first = await self.open(first_url)
        else:
            first = await self.open_place(first_url)
        connected = await _greeting(first, addresses, greeting_limit_s)
        both = completed(addresses, connected.control_port, connected.audio_port)
        assert both.control is not None
        assert both.audio is not None
        joined = connected.session_id
        if both.control == addresses.first:
            audio = await self.open_place(with_query(both.audio, session=joined, **whole))
            greeting = await _greeting(audio, both, greeting_limit_s)
            return AsrConnection(first, audio, connected, greeting, self.resumption)
        control = await self.open(with_query(both.control, session=joined, **query))
        await _greeting(control, both, greeting_limit_s)
        return AsrConnection(control, first, connected, connected, self.resumption)

    async def open_place(self, url: str) -> ClientConnection:
        """Open the audio port, for the place that there is to come back to, or a new one."""
        if self.resumption is None:
            return await self.open(url)
        words = self.resumption.first_message()
        socket = await self.open(with_query(url, resume=self.resumption.wish))
        if words is not None:
            with contextlib.suppress(ConnectionClosed):  # the greeting tells of it
                await socket.send(words)
        return socket

    async def open(self, url: str) -> ClientConnection:
        where = without_secrets(url)
        try:
            socket = await open_websocket(
                url,
                additional_headers=self.headers,
                ssl=(self.tls or True) if url.startswith("wss:") else None,
                open_timeout=OPEN_LIMIT_S,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                compression=None,
                proxy=None if is_loopback(url) else True,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            raise ConnectError(
                f"{where} answered HTTP {status}: {_shown(refused.response.body)}"
                + refusal_hint(status),
                may_pass=status in PASSING_STATUSES,
                retry_after_s=_retry_after_s(refused.response.headers.get("Retry-After", "")),
            ) from refused
        except (OSError, WebSocketException, UnicodeError, ImportError) as error:
            # ImportError: a proxy of the environment that needs another package
            reason = without_secrets(str(error)) or "no answer"
            hint = tls_hint(url, error) or what_to_do(self.addresses)
            raise ConnectError(f"{where}: {reason}\n{hint}") from error
        # as a context, it would close with 1011 on an error
        self.stack.push_async_callback(socket.close)
        return socket


def _retry_after_s(text: str) -> float:
    """Seconds, as this server says it; a proxy's date is not looked at."""
    return min(float(text), LONGEST_RETRY_AFTER_S) if text.isdecimal() else 0.0


def _shown(body: bytes | bytearray | None) -> str:
    """The beginning of what a server, or anything else, answered, as one line."""
    text = (body or b"")[:SHOWN_BYTES].decode(errors="replace").strip()
    return "".join(c if c.isprintable() else " " for c in text)


async def _greeting(socket: ClientConnection, addresses: Addresses, limit_s: float) -> Connected:
    where = without_secrets(addresses.first)
    try:
        async with asyncio.timeout(limit_s):
            event = parse_event(await socket.recv())
    except TimeoutError as error:
        raise ConnectError(
            f"{where} did not greet in {limit_s:g} s. Is it this server?\n{what_to_do(addresses)}"
        ) from error
    except (BadEventError, ConnectionClosed) as error:
        reason = str(error) or type(error).__name__
        raise ConnectError(
            f"{where} is not a port of this server: {reason}\n{what_to_do(addresses)}"
        ) from error
    if not isinstance(event, Connected):
        raise ConnectError(f"{where} did not greet.\n{what_to_do(addresses)}")
    return event
