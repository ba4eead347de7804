"""WebSocket by hand, below the library: frames and handshakes that no library would send."""

from __future__ import annotations

import asyncio
import base64
import random
import socket
import struct
from typing import Self

HANDSHAKE_S = 10.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(path: str = "/", **headers: str) -> bytes:
    """A valid request; a header given as keyword (`_` for `-`) replaces or adds."""
    fields = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame; `reserved` are its three bits (4: compressed), `length` what it claims."""
    claimed = len(payload) if length is None else length
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if claimed < 126:
        head = struct.pack("!BB", first, mask_bit | claimed)
    elif claimed < 65_536:
        head = struct.pack("!BBH", first, mask_bit | 126, claimed)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, claimed)
    # a mask of zeros is a mask
    return head + (bytes(4) if masked else b"") + payload


class RawWebSocket:
    """A TCP connection to one of the server's ports."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, local_address: str = "127.0.0.1") -> Self:
        """TCP only."""
        local = (local_address, 0)
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=local))

    @classmethod
    async def open(cls, port: int, path: str = "/", **headers: str) -> tuple[Self, str]:
        """Shake hands; the connection and the head of the answer."""
        raw = await cls.connect(port)
        raw.writer.write(handshake(path, **headers))
        async with asyncio.timeout(HANDSHAKE_S):
            head = await raw.reader.readuntil(b"\r\n\r\n")
        return raw, head.decode("latin-1")

    def send(self, data: bytes) -> None:
        """Send bytes as they are; a connection that is closed takes them to nowhere."""
        if not self.writer.is_closing():
            self.writer.write(data)

    async def close_code(self, limit_s: float = 10.0) -> int | None:
        """Read on until the connection ends; the code of its close frame, if one comes."""
        code = None
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    opcode, payload = await self.receive()
                    if opcode == CLOSE and len(payload) >= 2:
                        (code,) = struct.unpack("!H", payload[:2])
        except (asyncio.IncompleteReadError, OSError):
            return code

    async def receive(self) -> tuple[int, bytes]:
        """The next frame of the server: opcode and payload. Raises IncompleteReadError, OSError."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)

    async def close(self) -> None:
        """Leave in order of TCP."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return

    def reset(self) -> None:
        """Leave with RST, as a process that is killed with data unread does."""
        reset_connection(self.writer.transport)


def reset_connection(transport: asyncio.BaseTransport) -> None:
    """End a TCP connection by RST and nothing else."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


def wrong_frames(chance: random.Random) -> bytes:
    """A few frames, at least one of which is against the protocol."""
    text = b'{"type":"ping"}'
    wrong = (
        frame(TEXT, text, masked=False),
        frame(TEXT, text, reserved=chance.choice((1, 2, 4, 7))),
        frame(chance.choice((3, 5, 7, 11, 15)), text),
        frame(PING, bytes(126)),
        frame(CLOSE, b"\x03"),
        frame(CLOSE, struct.pack("!H", chance.choice((0, 999, 1005, 1006, 1015, 70 * 900)))),
        frame(CLOSE, struct.pack("!H", 1000) + b"\xff\xfe"),
        frame(TEXT, b"\xff\xfe\xfd"),
        frame(PING, b"x", fin=False),
        frame(0, b"a continuation of nothing"),
        frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
        frame(BINARY, b"short", length=chance.choice((6, 1_000, 2**31, 2**62, 2**64 - 1))),
        bytes(chance.choices(range(256), k=chance.choice((1, 2, 14, 3_000)))),
        frame(TEXT, b"x" * 70_000, fin=False) * 30,
        other_protocol(chance),
    )
    valid = frame(PING, b"x") + frame(TEXT, text[:7], fin=False) + frame(0, text[7:])
    return valid * chance.randrange(3) + chance.choice(wrong)


def other_protocol(chance: random.Random) -> bytes:
    """Bytes of another protocol: a TLS hello, HTTP/2, a proxy's line, or a second handshake."""
    return chance.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
            handshake(),
        )
    )


def wrong_handshake(chance: random.Random) -> bytes:
    """A handshake made wrong in its lines or its bytes."""
    right = handshake()
    at = chance.randrange(len(right))
    lines = right.split(b"\r\n")
    chance.shuffle(lines)
    return chance.choice(
        (
            right[:at],
            right[:at] + chance.randbytes(chance.choice((1, 8))) + right[at:],
            b"\r\n".join(lines),
            right.replace(b"GET", chance.choice((b"POST", b"get", b"\0GET", b""))),
            right.replace(b"HTTP/1.1", chance.choice((b"HTTP/1.0", b"HTTP/9", b""))),
            right.replace(b"\r\n", b"\n"),
            handshake(Sec_WebSocket_Key="short"),
            handshake(Sec_WebSocket_Version=chance.choice(("8", "", "13, 13"))),
            handshake(Sec_WebSocket_Extensions="permessage-deflate; server_max_window_bits=99"),
            handshake(Sec_WebSocket_Protocol="token.!!!, thai-asr, " + "x, " * 500),
            handshake(Content_Length="100") + bytes(100),
            handshake(Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n",
            handshake("/?" + "session=" * 300),
            handshake("/?session=%ff%fe&role=%00"),
            handshake("http://other.example/%2e%2e/"),
            handshake(Origin="null", X_Forwarded_For="::1, 10.0.0.1"),
            other_protocol(chance),
        )
    )
