"""Where clients come from, over real sockets: origins, names, addresses, proxies, plain HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.access_file import AccessError
from tests.support.running_server import RunningServer, run_server


async def handshake(number: int, **headers: str) -> int:
    """The status that a handshake is answered with."""
    upgrade = {
        "Host": f"127.0.0.1:{number}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = (f"{name}: {value}" for name, value in (upgrade | named).items())
    return await get(number, "/", "\r\n".join(lines))


async def get(port: int, path: str, headers: str) -> int:
    """The status of a plain request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 101),
        ("https://127.0.0.1", 101),
        ("null", 101),
        ("file://", 101),
        ("https://example.org", 101),
        ("https://example.org:444", 403),
        ("http://example.org", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("", 403),
    ],
)
async def test_which_pages_may_connect(tmp_path: Path, origin: str, status: int) -> None:
    async with run_server(tmp_path, allowed_origins="https://example.org") as server:
        for number in (server.app.ports.control, server.app.ports.audio):
            assert await handshake(number, Origin=origin) == status


async def test_pages_from_disk_can_be_shut_out(tmp_path: Path) -> None:
    async with run_server(tmp_path, file_pages=False) as server:
        assert await handshake(server.app.ports.audio, Origin="null") == 403
        assert await handshake(server.app.ports.audio, Origin="http://localhost:1") == 101
        assert await handshake(server.app.ports.audio) == 101


async def test_a_name_that_was_pointed_here_is_not_answered(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        ports = server.app.ports
        for number in (ports.control, ports.audio):
            rebound = f"Host: evil.example:{number}"
            for path in ("/", "/readyz", "/healthz"):
                assert await get(number, path, rebound) == 403
            page = {"Host": f"evil.example:{number}", "Origin": f"http://evil.example:{number}"}
            assert await handshake(number, **page) == 403
            assert await get(number, "/readyz", f"Host: localhost:{number}") == 200


@pytest.mark.parametrize(
    ("allowed", "status"), [("127.0.0.0/8, ::1", 101), ("10.0.0.0/8", 403), ("", 101)]
)
async def test_addresses_that_are_answered(tmp_path: Path, allowed: str, status: int) -> None:
    async with run_server(tmp_path, allowed_addresses=allowed) as server:
        assert await handshake(server.app.ports.audio) == status
        plain = 200 if status == 101 else 403
        assert await get(server.app.ports.control, "/", "Host: localhost") == plain
        assert await get(server.app.ports.control, "/readyz", "Host: localhost") == plain


async def refused(server: RunningServer) -> dict[str, float]:
    async with server.control() as client:
        counted = await client.ask({"type": "get_statistics"}, "statistics")
    return {k: v for k, v in counted["counters"].items() if k.startswith("handshakes_refused")}


async def test_only_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    allowed = "127.0.0.1, 203.0.113.0/24"
    async with run_server(tmp_path, allowed_addresses=allowed) as server:
        told = {"X_Forwarded_For": "198.51.100.1"}
        assert await handshake(server.app.ports.audio, **told) == 101  # nobody's word counts
    async with run_server(
        tmp_path, allowed_addresses=allowed, trusted_proxies="127.0.0.1"
    ) as server:
        for chain, status in (
            ("198.51.100.1", 403),
            ("203.0.113.9", 101),
            ("203.0.113.9, 198.51.100.1", 403),
            ("198.51.100.1, 203.0.113.9, 127.0.0.1", 101),
            ("unknown", 400),
        ):
            assert await handshake(server.app.ports.audio, X_Forwarded_For=chain) == status
        counted = await refused(server)
    assert counted["handshakes_refused_address"] == 2
    assert counted["handshakes_refused_forwarded"] == 1


async def test_a_page_behind_a_trusted_proxy(tmp_path: Path) -> None:
    async with run_server(tmp_path, trusted_proxies="127.0.0.1") as server:
        through = {
            "X_Forwarded_For": "203.0.113.9",
            "X_Forwarded_Proto": "https",
            "Host": "asr.example.org",
        }
        for origin, status in (
            ("https://asr.example.org", 101),
            ("http://asr.example.org", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("http://localhost", 403),
        ):
            assert await handshake(server.app.ports.audio, Origin=origin, **through) == status


async def test_through_a_proxy_who_names_no_session_is_alone(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, trusted_proxies="127.0.0.1") as server,
        server.control() as one,
        server.control() as other,
    ):
        names = {(await client.until("connected"))["session_id"] for client in (one, other)}
    assert len(names) == 2


async def test_beyond_this_machine_only_on_purpose(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="--insecure"):
        async with run_server(tmp_path, host="0.0.0.0"):
            pass


async def test_what_is_open_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with run_server(tmp_path, host="0.0.0.0", insecure=True) as server:
        own = f"http://asr.example.org:{server.app.ports.control}"
        host = f"asr.example.org:{server.app.ports.audio}"
        assert await handshake(server.app.ports.audio, Origin=own, Host=host) == 101
        assert await handshake(server.app.ports.audio, Origin="null", Host=host) == 403
    printed = capsys.readouterr().out
    assert "OPEN" in printed
    assert "load models" in printed
    assert "no TLS" in printed
