"""A network of ours: TCP from a client to a server, which can be cut, frozen and mended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

BLOCK_BYTES = 65_536


class TcpLine:
    """Forwards connections to a port of this machine.

    `cut` loses every connection and lets none through; `freeze` lets no byte through either way
    while connections stand, as a network that is gone does; `mend` ends both. What was on its way
    when a line was frozen arrives once it is mended.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.connections = 0
        """How many came so far."""
        self.to_port = to_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._down = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._flowing.set()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Lose every connection, and let none through."""
        self._down = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        """Let no byte through."""
        self._flowing.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self._down = False
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._writers |= {writer, back}
        try:
            ways = (self._pass_on(reader, back), self._pass_on(there, writer))
            await asyncio.gather(*ways)
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(BLOCK_BYTES):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()


async def break_lines(cut: tuple[float, float, str] | None, lines: Sequence[TcpLine]) -> None:
    """Break lines once: after so long, for so long, by `cut` or `freeze`. None breaks none."""
    if cut is None:
        return
    at_s, for_s, kind = cut
    await asyncio.sleep(at_s)
    for line in lines:
        (line.cut if kind == "cut" else line.freeze)()
    await asyncio.sleep(for_s)
    for line in lines:
        line.mend()
