"""The page as people open it behind nginx: https, a host name, no port."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import FLAGS, WAIT_MS, find_chromium
from tests.browser.steps import watch
from tests.support.audio_signals import wav_bytes
from tests.support.front import TRUSTING, Certificate
from tests.support.nginx import run_nginx
from tests.support.running_server import run_server
from tests.support.speech import pcm16, utterances

playwright = pytest.importorskip("playwright.async_api", reason="playwright is missing")
expect = playwright.expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SITE = "your-domain.com"  # of docs/nginx.conf


@pytest.mark.parametrize(
    ("host", "query"),
    [
        (SITE, "?session=meeting"),
        ("localhost:{port}", "?session=meeting&server=wss://localhost:{port}/ws/control"),
        ("localhost:{port}", "?session=meeting"),
    ],
    ids=["usual port", "another port", "another port, not told"],
)
async def test_the_page_speaks_over_both_ports_behind_nginx(
    tmp_path: Path, host: str, query: str
) -> None:
    file = tmp_path / "talk.wav"
    file.write_bytes(wav_bytes(pcm16(utterances(1.0, 1.4))))
    async with (
        run_server(tmp_path, **TRUSTING) as server,
        run_nginx(
            tmp_path / "nginx",
            Certificate.make(tmp_path),
            {8765: server.app.ports.control, 8766: server.app.ports.audio},
        ) as nginx,
        server.control("?session=meeting") as reader,
        playwright.async_playwright() as driver,
    ):
        chromium = await driver.chromium.launch(
            executable_path=find_chromium(),
            args=[*FLAGS, f"--host-resolver-rules=MAP {SITE}:443 127.0.0.1:{nginx.https_port}"],
        )
        context = await chromium.new_context(ignore_https_errors=True, locale="en-US")
        context.set_default_timeout(WAIT_MS)
        page = await context.new_page()
        complaints = watch(page)
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url.partition("?")[0]))
        site = host.format(port=nginx.https_port)
        await page.goto(f"https://{site}/{query.format(port=nginx.https_port)}")
        await page.click("#connect")
        await page.locator("#link-state.on").wait_for()
        await page.set_input_files("#file", file)
        for _ in range(2):
            await reader.until("final_transcription")
        for text in reader.texts():
            await expect(page.locator("body")).to_contain_text(text)
        assert sockets[0] in (f"wss://{site}/ws/control", f"wss://{site}/")
        assert sockets[1:] == [f"wss://{site}/ws/audio"]
        assert complaints == []
        await chromium.close()
