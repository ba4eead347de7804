"""The server behind a real Apache, configured as docs/apache.conf is shipped."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.apache import run_apache
from tests.support.front import TRUSTING, Certificate, get
from tests.support.handshakes import noting_server
from tests.support.running_server import run_server
from tests.support.speaking import say_all
from tests.support.speech import pcm16, utterances

SECRET = "nobody-must-read-this"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("tls"))


async def test_page_health_and_both_sockets(tmp_path: Path, certificate: Certificate) -> None:
    async with run_server(tmp_path, **TRUSTING) as server:
        ports = {8765: server.app.ports.control, 8766: server.app.ports.audio}
        async with run_apache(tmp_path / "apache", certificate, ports) as apache:
            page = await apache.get("/?session=any")
            assert page.status is HTTPStatus.OK
            assert page.headers["content-type"].startswith("text/html")
            assert (await apache.get("/readyz")).text == "ready\n"
            assert (await apache.get("/healthz")).text == "ok\n"
            for path in ("/metrics", "/server.log", "/ws/control/../../metrics", "/%6detrics"):
                assert (await apache.get(path)).status is HTTPStatus.NOT_FOUND, path
            plain = await get(apache.http_port, "/?session=any")
            assert plain.status is HTTPStatus.MOVED_PERMANENTLY
            assert plain.headers["location"] == "https://your-domain.com/?session=any"
            async with (
                apache.connect("/ws/control?session=meeting") as control,
                apache.connect("/ws/audio?events=all&session=meeting") as audio,
            ):
                texts = await say_all(audio, pcm16(utterances(1.0, 1.4)))
                assert len(texts) == 2
                for _ in texts:
                    await control.until("final_transcription")
                assert control.texts() == texts


async def test_the_server_hears_the_clients_address_and_not_what_it_claims(
    tmp_path: Path, certificate: Certificate
) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    async with noting_server() as noted:
        ports = {8765: noted.control, 8766: noted.audio}
        async with run_apache(tmp_path / "apache", certificate, ports) as apache:
            target = f"/ws/audio?session=meeting&speaker={SECRET}"
            async with connect(
                apache.url(target), ssl=apache.tls, additional_headers=claims
            ) as client:
                await client.recv()
            path, headers = noted.handshakes[0]
            assert path == target
            assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
            assert headers.get_all("X-Forwarded-Proto") == ["https"]
            assert headers["Host"] == f"localhost:{apache.https_port}"


async def test_logs_hold_no_names(tmp_path: Path, certificate: Certificate) -> None:
    async with run_apache(tmp_path / "apache", certificate, {8765: 1, 8766: 1}) as apache:
        with pytest.raises(InvalidStatus, match="503"):
            await connect(apache.url(f"/ws/audio?session={SECRET}"), ssl=apache.tls)
        await get(apache.http_port, f"/?session={SECRET}")
        assert "GET /ws/audio 503" in apache.access_log
        logs = [path.read_text() for path in apache.folder.glob("*.log")]
        assert len(logs) == 3
        assert not any(SECRET in log for log in logs)


async def test_huge_headers_end_at_apache(tmp_path: Path, certificate: Certificate) -> None:
    async with noting_server() as noted:
        ports = {8765: noted.control, 8766: noted.audio}
        async with run_apache(tmp_path / "apache", certificate, ports) as apache:
            with pytest.raises(InvalidStatus, match="400"):
                await connect(
                    apache.url("/ws/audio"),
                    ssl=apache.tls,
                    additional_headers={"X-Big": "x" * 9_000},
                )
        assert noted.handshakes == []
