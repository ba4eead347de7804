"""The published client examples, byte for byte, against a server.

They are written for port 8766; each is run with the port of the test's server put in its place
as it connects.
"""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from playwright.async_api import Page, async_playwright

from tests.support.asr_server import AsrServer

ROOT = Path(__file__).resolve().parents[2]
NODE_DIR = ROOT / "tests" / "node"
EXAMPLES = {
    "JavaScript/Web Integration": NODE_DIR / "spec_browser.js",
    "Python Integration": ROOT / "tests" / "support" / "spec_python.txt",
    "Node.js Integration": NODE_DIR / "spec_node.js",
}
THAI = re.compile("[\u0e00-\u0e7f]")
PATIENCE_S = 60.0
"""From the last audio to the text, on a slow and busy machine."""


def code_under(document: str, heading: str) -> str:
    """The first code block after a heading."""
    found = re.search(rf"^### {re.escape(heading)}\n.*?```\w+\n(.*?)```", document, re.M | re.S)
    assert found is not None, f"no code under {heading}"
    return found[1]


@pytest.mark.parametrize("heading", EXAMPLES)
def test_examples_are_those_of_the_readme(heading: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert code_under(readme, heading) == EXAMPLES[heading].read_text(encoding="utf-8")


@pytest.mark.parametrize("heading", EXAMPLES)
def test_examples_are_those_of_the_specification(heading: str) -> None:
    spec = ROOT.parent / "shared" / "spec.md"
    if not spec.is_file():
        pytest.skip(f"no specification at {spec}")
    text = spec.read_text(encoding="utf-8")
    assert code_under(text, heading) == EXAMPLES[heading].read_text(encoding="utf-8")


# -- Python -----------------------------------------------------------------------------------


async def test_python_example_prints_a_transcription(
    asr_server: AsrServer,
    speech: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connect = websockets.connect

    def connect_elsewhere(uri: str) -> Any:
        return connect(uri.replace(":8766", f":{asr_server.audio_port}"))

    monkeypatch.setattr(websockets, "connect", connect_elsewhere)
    example = EXAMPLES["Python Integration"]
    names: dict[str, Any] = {"audio_data": speech}
    exec(compile(example.read_text(encoding="utf-8"), example.name, "exec"), names)
    async with asyncio.timeout(PATIENCE_S):
        await names["connect_to_asr"]()
    printed = capsys.readouterr().out
    assert printed.startswith("Transcription: ")
    assert THAI.search(printed)


# -- Node.js ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js program, with the packages of tests/node in place."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs node")
    if not (NODE_DIR / "node_modules" / "ws").is_dir():
        pytest.skip("needs the packages of tests/node: npm --prefix tests/node install")
    return program


@asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[asyncio.StreamReader]:
    """A program's output while it runs; its standard input ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def read_until(output: asyncio.StreamReader, wanted: Callable[[str], object]) -> list[str]:
    """Lines of output up to the first wanted one."""
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while not (lines and wanted(lines[-1])):
            line = await output.readline()
            assert line, f"ended after {lines}"
            lines.append(line.decode().strip())
    return lines


@pytest.mark.node
async def test_node_example_logs_the_final_text(
    asr_server: AsrServer, speech: bytes, node: str, tmp_path: Path
) -> None:
    audio = tmp_path / "speech.pcm"
    audio.write_bytes(speech)
    example = EXAMPLES["Node.js Integration"]
    command = (node, NODE_DIR / "run_spec_node.js", example, str(asr_server.audio_port), audio)
    async with running(*command) as output:
        lines = await read_until(output, lambda line: line.startswith("Thai text:"))
    assert lines[0] == "Connected to Thai ASR server"
    assert THAI.search(lines[-1])


@pytest.mark.node
async def test_wscat_connects_and_sees_connected(asr_server: AsrServer, node: str) -> None:
    wscat = NODE_DIR / "node_modules" / "wscat" / "bin" / "wscat"
    address = f"ws://localhost:{asr_server.control_port}"
    async with running(node, wscat, "-c", address) as output:
        lines = await read_until(output, lambda line: '"connected"' in line)
    assert '"server":"Thai ASR Real-time Server"' in lines[-1].replace(": ", ":")


# -- browser ----------------------------------------------------------------------------------

ELSEWHERE = """
window.WebSocket = class extends WebSocket {
    constructor(address, ...rest) { super(address.replace(':8766', ':PORT'), ...rest); }
};
window.partials = [];
window.finals = [];
window.updateRealtimeDisplay = (text) => partials.push(text);
window.updateFinalDisplay = (text, data) => finals.push([text, data]);
"""

SEND = """async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    for (let start = 0; start < bytes.length; start += 3200) {
        sendAudioChunk(bytes.subarray(start, start + 3200));
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}"""


@asynccontextmanager
async def chromium_page() -> AsyncIterator[Page]:
    """An empty page in the system's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


@pytest.mark.browser
async def test_browser_example_shows_partial_and_final_text(
    asr_server: AsrServer, speech: bytes
) -> None:
    example = EXAMPLES["JavaScript/Web Integration"].read_text(encoding="utf-8")
    async with chromium_page() as page:
        page.set_default_timeout(PATIENCE_S * 1000)
        await page.add_script_tag(content=ELSEWHERE.replace("PORT", str(asr_server.audio_port)))
        await page.add_script_tag(content=example)
        await page.wait_for_function("audioWs.readyState === WebSocket.OPEN")
        await page.evaluate(SEND, base64.b64encode(speech).decode())
        await page.wait_for_function("finals.length > 0")
        partials = await page.evaluate("partials")
        text, data = await page.evaluate("finals[0]")
    assert partials
    assert THAI.search(partials[0])
    assert THAI.search(text)
    assert data["is_final"] is True
