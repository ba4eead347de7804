"""Clients that do everything wrong, each by its seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.support.access import authenticate, base64url
from tests.support.conversations import AUDIO_BINARY, CONTROL, ON_AUDIO_PORT, QUERIES, RESUMING
from tests.support.mutating import Message, Mutator
from tests.support.raw_websocket import (
    RawWebSocket,
    handshake,
    reset_connection,
    wrong_frames,
    wrong_handshake,
)

SESSIONS = ("bad-1", "bad-2", "bad-3")
LIMIT_S = 10.0
"""Longest that one client stays."""

LISTEN_S = 0.2
"""A client that has said everything listens for so long."""


async def misbehave(
    control_port: int, audio_port: int, seed: int, tokens: Sequence[str] = ("",)
) -> None:
    """One bad client's life. One of the tokens may let it in where the server asks for one."""
    mutator = Mutator(seed)
    chance = mutator.chance
    port, token = chance.choice((control_port, audio_port)), chance.choice(tokens)
    try:
        async with asyncio.timeout(LIMIT_S):
            match chance.randrange(8):
                case _ if token and chance.random() < 0.3:
                    follows = CONTROL if port == control_port else AUDIO_BINARY
                    spoken: Sequence[Message] = (authenticate(token), *follows)
                    await _converse(port, mutator, spoken, "?auth=message", "")
                case 0:
                    await _shake_hands_wrongly(port, chance)
                case 1:
                    await _send_wrong_frames(port, chance, token)
                case 2:
                    await _converse(audio_port, mutator, RESUMING, "?resume=back", token)
                case 3 | 4:
                    query = chance.choice(("", "?role=viewer", "?resume=new"))
                    await _converse(control_port, mutator, CONTROL, query, token)
                case _:
                    spoken = chance.choice(ON_AUDIO_PORT)
                    await _converse(audio_port, mutator, spoken, chance.choice(QUERIES), token)
    except (WebSocketException, OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return  # what such a client deserves


async def _shake_hands_wrongly(port: int, chance: random.Random) -> None:
    raw = await RawWebSocket.connect(port, _address_of(chance))
    try:
        raw.send(wrong_handshake(chance))
        async with asyncio.timeout(LISTEN_S):
            await raw.reader.read()
    finally:
        raw.reset()


async def _send_wrong_frames(port: int, chance: random.Random, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    raw = await RawWebSocket.connect(port, _address_of(chance))
    raw.send(handshake(f"/?session={chance.choice(SESSIONS)}", **headers))
    try:
        await raw.reader.readuntil(b"\r\n\r\n")
        for _ in range(chance.choice((1, 1, 5))):
            raw.send(wrong_frames(chance))
        async with asyncio.timeout(LISTEN_S):
            await raw.reader.read()
    finally:
        raw.reset()


async def _converse(
    port: int, mutator: Mutator, messages: Sequence[Message], query: str, token: str
) -> None:
    chance = mutator.chance
    address = f"ws://127.0.0.1:{port}/{query}{'&' if query else '?'}session="
    offered = [Subprotocol("thai-asr"), Subprotocol(f"token.{base64url(token)}")] if token else None
    async with connect(
        address + chance.choice(SESSIONS),
        subprotocols=offered,
        max_size=None,
        local_addr=(_address_of(chance), 0),
    ) as socket:
        listening = asyncio.create_task(_listen(socket), name="bad client listens")
        try:
            for message in mutator.conversation(messages):
                await socket.send(_sendable(message))
                if chance.random() < 0.02:
                    break
            if chance.random() < 0.5:
                await asyncio.sleep(LISTEN_S)
            if chance.random() < 0.5:
                await socket.close()
        finally:
            reset_connection(socket.transport)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _address_of(chance: random.Random) -> str:
    """Clients come from many addresses: what one does wrong is not held against all."""
    return f"127.0.0.{chance.randrange(2, 250)}"


def _sendable(message: Message) -> Message:
    """Half a pair of surrogates cannot be sent as text: it is, as three wrong bytes, in binary."""
    if isinstance(message, str):
        try:
            message.encode()
        except UnicodeEncodeError:
            return message.encode("utf-8", "surrogatepass")
    return message


async def _listen(socket: ClientConnection) -> None:
    async for _ in socket:
        pass
