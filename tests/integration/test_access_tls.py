"""TLS on both ports, and certificates and tokens that are replaced while somebody speaks."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as open_websocket

from client import ConnectError, connect
from client.addresses import Addresses
from server.messages import FinalTranscription
from tests.support.access import access_file, by_header, by_message, reload, token_of
from tests.support.audio_signals import pcm16, silence, synthetic_speech
from tests.support.certificates import Authority
from tests.support.front import DOCS, installed
from tests.support.running_server import RunningServer, run_server

SAID = pcm16(synthetic_speech(1.4)) + pcm16(silence(1.0))


def secure(server: RunningServer) -> tuple[str, str]:
    ports = server.app.ports
    return f"wss://127.0.0.1:{ports.control}", f"wss://127.0.0.1:{ports.audio}"


async def presented(server: RunningServer, authority: Authority) -> set[bytes]:
    """The certificates that new connections get, on both ports."""
    found = set()
    for url in secure(server):
        async with open_websocket(url, ssl=authority.client_context()) as socket:
            found.add(socket.transport.get_extra_info("ssl_object").getpeercert(True))
    return found


async def test_the_python_client_finds_the_second_port_with_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    async with run_server(tmp_path, **authority.settings()) as server:
        for url in secure(server):
            async with connect(url, ca_file=authority.write_ca()) as asr:
                events = [event async for event in asr.transcribe([SAID])]
            assert [e for e in events if isinstance(e, FinalTranscription) and e.text]


async def test_a_certificate_that_nobody_vouches_for_is_explained(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    async with run_server(tmp_path, **authority.settings()) as server:
        control, audio = secure(server)
        with pytest.raises(ConnectError, match="--ca-file"):
            async with connect(Addresses(control, audio)):
                pass
        with pytest.raises(ConnectError, match="begins with wss://"):
            async with connect(Addresses(server.control_url, server.audio_url)):
                pass


@pytest.fixture
def self_signed(tmp_path: Path) -> dict[str, Any]:
    """A certificate made as docs/access.md says, as settings."""
    steps = (DOCS / "access.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^umask 077\n(openssl req .*?)^```", steps, re.M | re.S)
    installed("openssl", "openssl")
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    return {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}


async def test_a_certificate_of_ones_own_making_serves_both_ports(
    tmp_path: Path, self_signed: dict[str, Any]
) -> None:
    async with run_server(tmp_path, **self_signed) as server:
        for host in ("localhost", "127.0.0.1"):
            for port in (server.app.ports.control, server.app.ports.audio):
                async with connect(f"wss://{host}:{port}", ca_file=tmp_path / "cert.pem") as asr:
                    assert asr.connected.version
        trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        reader, writer = await asyncio.open_connection(
            "localhost", server.app.ports.audio, ssl=trusting
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"This is the audio port" in await reader.read()  # where an exception is made
        writer.close()


async def test_the_page_is_served_with_tls_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    async with run_server(tmp_path, **authority.settings()) as server:
        number = server.app.ports.control
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", number, ssl=authority.client_context()
        )
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
    printed = capsys.readouterr().out
    assert f"https://localhost:{number}/" in printed
    assert f"wss://localhost:{number}" in printed


async def test_a_new_certificate_is_for_new_connections_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    first = authority.issue()
    async with run_server(tmp_path, **authority.settings()) as server:
        assert await presented(server, authority) == {first}
        async with connect(secure(server)[0], ca_file=authority.write_ca()) as asr:
            await asr.send(SAID[:20_000])
            second = authority.issue()
            await reload(server)
            assert await presented(server, authority) == {second}
            authority.key.write_text("no key")
            await reload(server)
            assert "the old certificate stays" in caplog.text
            assert await presented(server, authority) == {second}
            events = [event async for event in asr.transcribe([SAID[20_000:]])]
    assert len([e for e in events if isinstance(e, FinalTranscription) and e.text]) == 1


async def test_whose_token_is_gone_is_closed_and_the_others_are_not(tmp_path: Path) -> None:
    path = access_file(tmp_path)
    async with run_server(tmp_path, access_file=str(path)) as server:
        async with (
            by_message(server.audio_url, token_of("court")) as court,
            by_header(server.audio_url, token_of("desk")) as desk,
        ):
            await court.until("connected")
            path.write_text(path.read_text().replace("court-token", "other-token"))
            await reload(server)
            await asyncio.wait_for(court.socket.wait_closed(), 10)
            assert court.socket.close_code == 4401
            await desk.send(SAID)
            assert (await desk.until("final_transcription"))["text"]
            path.write_text("nonsense")
            await reload(server)
            await desk.ask({"type": "ping"}, "pong")
        async with by_header(server.audio_url, token_of("desk")) as desk:
            await desk.until("connected")
