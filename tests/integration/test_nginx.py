"""The server behind a real nginx, configured as docs/nginx.conf is shipped."""

from __future__ import annotations

import asyncio
import os
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.support.audio_signals import wav_bytes
from tests.support.client_program import PROGRAM
from tests.support.front import TRUSTING, Certificate, get
from tests.support.handshakes import noting_server
from tests.support.nginx import run_nginx
from tests.support.running_server import RunningServer, run_server
from tests.support.speaking import say, say_all
from tests.support.speech import pcm16, utterances

AUDIO = pcm16(utterances(1.0, 1.4, 1.2))
HALF = len(AUDIO) // 6400 * 3200
SECRET = "nobody-must-read-this"
EVENTS = "/ws/audio?events=all"


def ports_of(server: RunningServer) -> dict[int, int]:
    return {8765: server.app.ports.control, 8766: server.app.ports.audio}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


async def test_the_page_and_health_are_served_over_tls_and_nothing_else(
    tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        run_server(tmp_path, **TRUSTING) as server,
        run_nginx(tmp_path / "nginx", certificate, ports_of(server)) as nginx,
    ):
        page = await nginx.get("/?session=any")
        assert page.status is HTTPStatus.OK
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'sha256-" in page.headers["content-security-policy"]
        assert (await nginx.get("/readyz")).text == "ready\n"
        assert (await nginx.get("/healthz")).text == "ok\n"
        for path in ("/metrics", "/server.log", "/ws/control/../../metrics", "/%6detrics"):
            assert (await nginx.get(path)).status is HTTPStatus.NOT_FOUND, path
        plain = await get(nginx.http_port, "/?session=any")
        assert plain.status is HTTPStatus.MOVED_PERMANENTLY
        assert plain.headers["location"] == "https://localhost/?session=any"


async def test_both_sockets_work_over_tls(tmp_path: Path, certificate: Certificate) -> None:
    async with (
        run_server(tmp_path, **TRUSTING) as server,
        run_nginx(tmp_path / "nginx", certificate, ports_of(server)) as nginx,
        nginx.connect("/ws/control?session=meeting") as control,
        nginx.connect(f"{EVENTS}&session=meeting") as audio,
    ):
        texts = await say_all(audio, AUDIO)
        assert len(texts) == 3
        for _ in texts:
            await control.until("final_transcription")
        assert control.texts() == texts
        assert await control.ask({"type": "ping"}, "pong")


async def test_a_session_speaks_on_while_nginx_reloads(
    tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        run_server(tmp_path, **TRUSTING) as server,
        run_nginx(tmp_path / "nginx", certificate, ports_of(server)) as nginx,
    ):
        async with nginx.connect(f"{EVENTS}&session=uncut") as audio:
            uncut = await say_all(audio, AUDIO)
        async with nginx.connect(f"{EVENTS}&session=reloaded") as audio:
            await say(audio, AUDIO[:HALF])
            await audio.until("realtime_transcription")
            await nginx.reload()
            async with nginx.connect(f"{EVENTS}&session=newcomer") as newcomer:
                assert await say_all(newcomer, AUDIO) == uncut
            assert await say_all(audio, AUDIO[HALF:]) == uncut


async def test_the_python_client_works_through_it_and_trusts_only_who_it_is_told_to(
    tmp_path: Path, certificate: Certificate
) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(wav_bytes(AUDIO))

    async def run(environment: dict[str, str], url: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            PROGRAM,
            file,
            "--fast",
            *("--session", "meeting", "--url", url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async with (
        run_server(tmp_path, **TRUSTING) as server,
        run_nginx(tmp_path / "nginx", certificate, ports_of(server)) as nginx,
    ):
        trusting = {"SSL_CERT_FILE": str(certificate.authority)}
        status, out, err = await run(trusting, nginx.url("/ws/audio"))
        assert status == 0, err
        assert len(out.splitlines()) == 3
        status, out, err = await run(trusting, f"https://localhost:{nginx.https_port}/")
        assert status == 0, err  # as the page's address bar shows it; the port is not 443
        assert len(out.splitlines()) == 3
        status, _, err = await run({}, nginx.url("/ws/audio"))
        assert status == 3
        assert "certificate verify failed" in err


async def test_the_server_hears_the_clients_address_and_not_what_it_claims(
    tmp_path: Path, certificate: Certificate
) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    async with (
        noting_server() as noted,
        run_nginx(
            tmp_path / "nginx", certificate, {8765: noted.control, 8766: noted.audio}
        ) as nginx,
    ):
        target = f"/ws/audio?session=meeting&speaker={SECRET}"
        async with connect(
            nginx.url(target),
            ssl=nginx.tls,
            additional_headers=claims,
            origin=Origin("https://localhost"),
        ) as client:
            await client.recv()
        path, headers = noted.handshakes[0]
        assert path == target
        assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
        assert headers.get_all("X-Forwarded-Proto") == ["https"]
        assert headers["Host"] == f"localhost:{nginx.https_port}"
        assert headers["Origin"] == "https://localhost"


async def test_logs_hold_no_names(tmp_path: Path, certificate: Certificate) -> None:
    nobody = {8765: 1, 8766: 1}  # refuses connections: an error that nginx would log
    async with run_nginx(tmp_path / "nginx", certificate, nobody) as nginx:
        with pytest.raises(InvalidStatus, match="502"):
            await connect(nginx.url(f"/ws/audio?session={SECRET}"), ssl=nginx.tls)
        await get(nginx.http_port, f"/?session={SECRET}")
        assert "GET /ws/audio 502" in nginx.access_log
        logs = [path.read_text() for path in nginx.folder.glob("*.log")]
        assert len(logs) == 3
        assert not any(SECRET in log for log in logs)


async def test_huge_headers_and_bodies_end_at_nginx(
    tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        noting_server() as noted,
        run_nginx(
            tmp_path / "nginx", certificate, {8765: noted.control, 8766: noted.audio}
        ) as nginx,
    ):
        for header, value in (("X-Big", "x" * 9_000), ("Cookie", "y" * 9_000)):
            with pytest.raises(InvalidStatus, match="400"):
                await connect(
                    nginx.url("/ws/audio"), ssl=nginx.tls, additional_headers={header: value}
                )
        reader, writer = await asyncio.open_connection("localhost", nginx.https_port, ssl=nginx.tls)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n")
        assert b" 413 " in await reader.readline()
        writer.close()
        assert noted.handshakes == []


async def test_one_address_has_so_many_connections(
    tmp_path: Path, certificate: Certificate
) -> None:
    async with (
        noting_server() as noted,
        run_nginx(
            tmp_path / "nginx", certificate, {8765: noted.control, 8766: noted.audio}
        ) as nginx,
    ):
        opened = [await connect(nginx.url("/ws/audio"), ssl=nginx.tls) for _ in range(64)]
        with pytest.raises(InvalidStatus, match="503"):
            await connect(nginx.url("/ws/audio"), ssl=nginx.tls)
        await asyncio.gather(*(client.close() for client in opened))
        assert len(noted.handshakes) == 64
