"""Clients that do everything wrong, each by its seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.support.access import base64url
from tests.support.conversations import AUDIO, CONTROL, QUERIES, RESUMING
from tests.support.mutating import Message, Mutator
from tests.support.raw_websocket import (
    RawWebSocket,
    reset_connection,
    wrong_frames,
    wrong_handshake,
)

SESSIONS = ("bad-1", "bad-2", "bad-3")
LIMIT_S = 10.0
"""Longest that one client stays."""

LISTEN_S = 0.2
"""A client that has said everything listens for so long."""


async def misbehave(control_port: int, audio_port: int, seed: int, token: str = "") -> None:
    """One bad client's life. `token` lets it in where the server asks for one."""
    mutator = Mutator(seed)
    chance = mutator.chance
    port = chance.choice((control_port, audio_port))
    try:
        async with asyncio.timeout(LIMIT_S):
            match chance.randrange(8):
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
                    spoken = chance.choice((*AUDIO, CONTROL))
                    await _converse(audio_port, mutator, spoken, chance.choice(QUERIES), token)
    except (WebSocketException, OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
        return  # what such a client deserves


async def _shake_hands_wrongly(port: int, chance: random.Random) -> None:
    raw = await RawWebSocket.connect(port)
    try:
        raw.send(wrong_handshake(chance))
        async with asyncio.timeout(LISTEN_S):
            await raw.reader.read()
    finally:
        raw.reset()


async def _send_wrong_frames(port: int, chance: random.Random, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    raw, _ = await RawWebSocket.open(port, f"/?session={chance.choice(SESSIONS)}", **headers)
    try:
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
        address + chance.choice(SESSIONS), subprotocols=offered, max_size=None
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
                reset_connection(socket.transport)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


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
