"""The page against a fake server: what the microphone hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from server import protocol
from server.messages import ErrorEvent
from tests.browser.steps import connect, start_recording, stop_recording
from tests.support.fake_server import PAGE, FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_file_opened_from_disk_records_too(page: Page, server: FakeServer) -> None:
    await page.goto(PAGE.as_uri())
    assert await page.input_value("#address") == "ws://localhost:8765"
    await page.fill("#address", server.control_url.removeprefix("ws://"))
    await page.press("#address", "Enter")
    await expect(page.locator("#link-state")).to_have_text("Connected")
    await start_recording(page, server)
    await stop_recording(page)
    assert np.abs(np.frombuffer(server.audio, "<i2")).max() > 1000


async def test_the_microphone_arrives_as_pcm16_at_the_announced_rate(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await start_recording(page, server, frames=16)
    await expect(page.locator("#recording-state")).to_have_text("Recording: speak now")
    await page.wait_for_function(
        "Number(document.getElementById('level').getAttribute('aria-valuenow')) > 20"
    )
    await stop_recording(page)
    [config] = server.requests_of(protocol.AudioConfig)
    assert isinstance(config, protocol.AudioConfig)
    assert (config.encoding, config.channels) == ("pcm16", 1)
    rate_hz = await page.evaluate("new AudioContext().sampleRate")
    assert config.sample_rate == rate_hz
    block_s = len(server.frames[0]) / 2 / config.sample_rate
    assert block_s == pytest.approx(0.064, abs=0.003)
    samples = np.frombuffer(server.audio, "<i2").astype(np.float64)
    assert np.sqrt(np.mean(samples**2)) > 300
    assert strongest_hz(samples, config.sample_rate) < 3500


def strongest_hz(samples: np.ndarray[tuple[int], np.dtype[np.float64]], rate_hz: int) -> float:
    """Where the spectrum peaks: a wrong rate or torn samples move it."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(np.argmax(power) * rate_hz / len(samples))


async def test_stopping_sends_the_rest_and_waits_for_the_last_final(
    page: Page, server: FakeServer
) -> None:
    server.acknowledges.clear()
    await connect(page, server)
    await start_recording(page, server)
    await page.click("#record")
    await expect(page.locator("#recording-state")).to_have_text("Waiting for the last words")
    await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
    frames = len(server.frames)
    server.say(final("คำสุดท้าย"))
    server.acknowledges.set()
    await expect(page.locator("#record")).to_have_text("Start Recording")
    await expect(page.locator("#finals .said")).to_have_text("คำสุดท้าย")
    kinds = [type(request) for request in server.requests]
    order = [protocol.AudioConfig, protocol.StartRecording, protocol.AudioEnd]
    assert [kind for kind in kinds if kind in order] == order
    assert protocol.StopRecording not in kinds, "it would stop the session's other speakers"
    assert len(server.frames) == frames


async def test_recording_can_start_again(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    last_frames = []
    for _ in range(3):
        await start_recording(page, server)
        await stop_recording(page)
        last_frames.append(len(server.frames[-1]))
    assert len(server.requests_of(protocol.AudioEnd)) == 3
    # One recording in 22 ends with a whole block by chance; the others end with a part of one.
    assert min(last_frames) < len(server.frames[0])


async def test_recording_stopped_from_another_window_stops_here(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await start_recording(page, server)
    server.say(ErrorEvent(code="not_recording", message="recording was stopped"))
    await expect(page.locator("#record")).to_have_text("Start Recording")
    await expect(page.locator("#messages")).to_contain_text("stopped from another window")
    assert len(server.requests_of(protocol.AudioEnd)) == 1


REFUSE = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', '%s'); };
"""


@pytest.mark.parametrize(
    ("error_name", "words"),
    [
        ("NotAllowedError", "The microphone was refused"),
        ("NotFoundError", "No microphone found"),
        ("NotReadableError", "Another program may be using it"),
    ],
)
async def test_a_microphone_that_is_not_given_is_explained(
    page: Page, server: FakeServer, error_name: str, words: str
) -> None:
    await page.add_init_script(REFUSE % error_name)
    await connect(page, server)
    await page.click("#record")
    await expect(page.locator("#messages li.error")).to_contain_text(words)
    await expect(page.locator("#record")).to_have_text("Start Recording")
    assert server.requests_of(protocol.StartRecording) == []


async def test_disconnecting_while_recording_lets_the_microphone_go(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await start_recording(page, server)
    await page.click("#connect")
    await expect(page.locator("#record")).to_have_text("Start Recording")
    await expect(page.locator("#level")).to_have_attribute("aria-valuenow", "0")


async def test_a_microphone_that_cannot_be_connected_is_told_and_let_go(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(
        "AudioContext.prototype.createMediaStreamSource = () => {"
        " throw new DOMException('other rate', 'NotSupportedError'); };"
    )
    await connect(page, server)
    await page.click("#record")
    await expect(page.locator("#messages li.error")).to_contain_text("other rate")
    await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
    await expect(page.locator("#record")).to_have_text("Start Recording")
