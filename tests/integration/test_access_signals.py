"""SIGHUP to a real process: certificate and tokens change while somebody speaks."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from pathlib import Path

import pytest

from client import AsrConnection, ConnectError, ConnectionLostError, connect
from server.messages import FinalTranscription
from tests.support.access import access_file, token_of
from tests.support.certificates import Authority
from tests.support.server_process import COMMAND, END_LIMIT_S, ServerProcess, server_process
from tests.support.speech import pieces

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")

PIECE_BYTES = 6_400
ADMIN = "admin-token-0123456789"


async def say(asr: AsrConnection, audio: list[bytes]) -> list[str]:
    return [
        event.text async for event in asr.transcribe(audio) if isinstance(event, FinalTranscription)
    ]


async def certificate(server: ServerProcess, authority: Authority) -> bytes:
    """What a new connection to the audio port is shown."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", server.audio_port, ssl=authority.client_context()
    )
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return shown


async def test_a_reload_while_somebody_speaks_harms_no_word(tmp_path: Path, speech: bytes) -> None:
    authority = Authority(tmp_path)
    first = authority.issue()
    ca_file = authority.write_ca()
    tokens = access_file(tmp_path)
    async with server_process(
        tmp_path,
        *("--access-file", str(tokens)),
        *("--tls-cert", str(authority.certificate), "--tls-key", str(authority.key)),
        environment={"THAI_ASR_TOKEN": ADMIN},
    ) as server:
        url = f"wss://127.0.0.1:{server.control_port}"
        audio = pieces(speech, PIECE_BYTES)
        async with connect(url, token=token_of("desk"), ca_file=ca_file) as asr:
            uncut = await say(asr, audio)
        assert "".join(uncut)
        async with (
            connect(url, token=token_of("desk"), ca_file=ca_file) as asr,
            connect(url, token=token_of("court"), ca_file=ca_file) as court,
        ):
            half = len(audio) // 2
            for piece in audio[:half]:
                await asr.send(piece)
            second = authority.issue()
            tokens.write_text(tokens.read_text().replace("court-token", "other-token"))
            server.send(signal.SIGHUP)
            with pytest.raises(ConnectionLostError, match="4401"):
                _ = [event async for event in court]
            assert await say(asr, audio[half:]) == uncut
            assert await certificate(server, authority) == second != first
        with pytest.raises(ConnectError, match=r"401(.|\n)*--token"):
            async with connect(url, token=token_of("court"), ca_file=ca_file):
                pass
        async with connect(url, token=ADMIN, ca_file=ca_file) as asr:
            assert asr.connected.role == "admin"
        assert await server.end() == 0
        logged = server.errors + (tmp_path / "server.log").read_text(encoding="utf-8")
    secrets = [ADMIN, *(token_of(name) for name in ("boss", "desk", "screen", "court"))]
    assert not [secret for secret in secrets if secret in logged]
    assert "handshake refused (wrong_token)" in logged


async def test_a_reload_without_anything_to_read_is_no_end(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        server.send(signal.SIGHUP)
        async with connect(f"ws://127.0.0.1:{server.control_port}") as asr:
            assert (await asr.status()).ready
        assert await server.end() == 0


async def test_a_server_ends_with_its_terminal(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--log-file", str(tmp_path / "server.log")),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=lambda: _take_terminal(terminal),
    )
    os.close(terminal)
    written = b""
    while b"Ctrl-C" not in written:
        written += await asyncio.to_thread(os.read, master, 4_096)
    os.close(master)
    await asyncio.wait_for(process.wait(), END_LIMIT_S)
    assert "the terminal is gone" in (tmp_path / "server.log").read_text(encoding="utf-8")


def _take_terminal(terminal: int) -> None:
    os.setsid()
    os.login_tty(terminal)
