"""What is listened to: microphones, the computer's sound, what is wrong with it, and settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from server import protocol
from server.messages import ConfigUpdated, ErrorEvent
from server.peer import Port
from tests.browser.steps import connect, start_recording, stop_recording, watch
from tests.support.fake_server import FakeServer, partial

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# sound(hz, gain): a stream with a tone. `opened` has every stream that the page was given.
TONES = """
globalThis.opened = [];
globalThis.sound = async (hz, gain) => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: hz });
  const volume = new GainNode(context, { gain });
  const out = new MediaStreamAudioDestinationNode(context);
  tone.connect(volume).connect(out);
  tone.start();
  await context.resume();
  globalThis.volume = volume.gain;
  opened.push(out.stream);
  return out.stream;
};
"""
MICROPHONE = TONES + "navigator.mediaDevices.getUserMedia = () => sound(300, %s);"
SCREEN = TONES + "navigator.mediaDevices.getDisplayMedia = async () => { %s };"
GAINS = {"silent": 0, "quiet": 0.002, "clipping": 4}
SHORT = {
    "good": ("The microphone works well", "ไมโครโฟนใช้งานได้ดี"),
    "silent": ("No sound arrives", "ไมโครโฟนไม่มีสัญญาณ"),
    "quiet": ("The voice is very quiet", "เสียงพูดเบาเกินไป"),
    "clipping": ("too loud and distorted", "เสียงดังเกินไปจนเพี้ยน"),
}


async def open_settings(page: Page) -> None:
    await page.locator("#sound-card summary").click()


async def tab_that_hears(context: BrowserContext, verdict: str) -> tuple[Page, list[str]]:
    """A tab whose microphone is like that, and its complaints."""
    page = await context.new_page()
    if verdict in GAINS:
        await page.add_init_script(MICROPHONE % GAINS[verdict])
    return page, watch(page)


async def test_microphones_are_listed_and_the_chosen_one_is_asked_for(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script("""
        const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (asked) => {
          globalThis.asked = asked.audio.deviceId?.exact ?? 'any';
          return open(asked);
        };""")
    await connect(page, server)
    await start_recording(page, server)
    await stop_recording(page)
    assert await page.evaluate("asked") == "any"
    await open_settings(page)
    options = page.locator("#device option")
    await expect(options.nth(1)).to_contain_text("Fake")
    assert await options.first.inner_text() == "The system's microphone"
    await page.select_option("#device", index=1)
    await start_recording(page, server)
    await stop_recording(page)
    assert await page.evaluate("asked") == await options.nth(1).get_attribute("value")
    await page.click("[data-language=th]")  # the choice outlives the list's renewal
    await expect(options.first).to_have_text("ไมโครโฟนของระบบ")
    await expect(page.locator("#device")).to_have_value(await page.evaluate("asked"))


async def test_the_microphone_test_says_in_both_languages_what_is_wrong(
    context: BrowserContext, server: FakeServer
) -> None:
    async def check(verdict: str) -> None:
        page, complaints = await tab_that_hears(context, verdict)
        await page.goto(server.page_url)
        await open_settings(page)
        await page.click("#check")
        result = page.locator("#check-result")
        await expect(result).to_have_text("Say something for a few seconds …")
        await expect(page.locator("#check")).to_have_text("End the test")
        english, thai = SHORT[verdict]
        await expect(result).to_contain_text(english)
        await page.click("[data-language=th]")
        await expect(result).to_contain_text(thai)
        await expect(page.locator("#check")).to_have_text(  # it ends by itself
            "ทดสอบไมโครโฟน", timeout=10_000
        )
        assert complaints == []

    await asyncio.gather(*map(check, SHORT))


async def test_while_recording_the_same_is_told(
    context: BrowserContext, server: FakeServer
) -> None:
    async def record(verdict: str) -> None:
        page, complaints = await tab_that_hears(context, verdict)
        await connect(page, server)
        await start_recording(page, server)
        message = page.locator("#messages li")
        if verdict == "quiet":
            while await message.count() == 0:  # it is told once there is speech
                server.say(partial("อืม"))
                await page.wait_for_timeout(100)
        await expect(message).to_contain_text(SHORT[verdict][0])
        if verdict != "clipping":
            await page.evaluate("volume.value = 0.3")
            await expect(message).to_have_count(0)
        assert complaints == []

    await asyncio.gather(*map(record, GAINS))


OPENED = "opened.flatMap((stream) => stream.getTracks().map((track) => track.readyState))"


async def test_a_microphone_test_ended_before_it_began_lets_the_microphone_go(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(MICROPHONE % 0.3)
    await page.goto(server.page_url)
    await page.evaluate("for (const _ of [1, 2, 3]) document.getElementById('check').click()")
    await page.wait_for_function("opened.length === 2")
    await page.evaluate("document.getElementById('check').click()")
    await page.wait_for_function(f"{OPENED}.every((state) => state === 'ended')")
    await open_settings(page)
    await expect(page.locator("#check")).to_have_text("Test the microphone")
    await expect(page.locator("#check-result")).to_have_text("")
    await expect(page.locator("#level")).to_have_attribute("aria-valuenow", "0")


async def test_recording_ends_the_microphone_test(page: Page, server: FakeServer) -> None:
    await page.add_init_script(MICROPHONE % 0.3)
    await connect(page, server)
    await page.evaluate("document.getElementById('check').click()")
    await start_recording(page, server)
    assert await page.evaluate(OPENED) == ["ended", "live"]
    await stop_recording(page)
    assert await page.evaluate(OPENED) == ["ended", "ended"]


def power_at(server: FakeServer, hz: float) -> float:
    """Share of a frequency in what arrived, in the spectrum of its second half."""
    config = server.requests_of(protocol.AudioConfig)[-1]
    assert isinstance(config, protocol.AudioConfig)
    assert isinstance(config.sample_rate, int)
    samples = np.frombuffer(server.audio, "<i2").astype(np.float64)
    samples = samples[len(samples) // 2 :] * np.hanning(len(samples) - len(samples) // 2)
    power = np.abs(np.fft.rfft(samples)) ** 2
    middle = round(hz * len(samples) / config.sample_rate)
    return float(power[middle - 4 : middle + 5].sum() / power.sum())


async def record_source(page: Page, server: FakeServer, source: str) -> None:
    await connect(page, server)
    await open_settings(page)
    await page.select_option("#source", source)
    await start_recording(page, server, frames=12)


async def test_the_computer_s_sound_is_recorded(page: Page, server: FakeServer) -> None:
    await page.add_init_script(SCREEN % "return sound(1100, 0.4);")
    await record_source(page, server, "computer")
    await expect(page.locator("#device")).to_be_hidden()
    assert power_at(server, 1100) > 0.9
    await page.evaluate(
        "opened[0].getTracks()[0].dispatchEvent(new Event('ended'))"
    )  # shared no more
    await expect(page.locator("#messages li.error")).to_contain_text("did sharing end")
    await expect(page.locator("#record")).to_have_text("Start Recording")
    assert await page.evaluate(OPENED) == ["ended"]


async def test_microphone_and_computer_are_mixed(page: Page, server: FakeServer) -> None:
    await page.add_init_script(MICROPHONE % 0.3)
    await page.add_init_script("navigator.mediaDevices.getDisplayMedia = () => sound(1100, 0.3);")
    await record_source(page, server, "both")
    assert power_at(server, 300) > 0.3
    assert power_at(server, 1100) > 0.3
    await stop_recording(page)
    assert await page.evaluate(OPENED) == ["ended", "ended"]


@pytest.mark.parametrize(
    "answer",
    [
        "return new MediaStream();",
        "throw new DOMException('Permission denied', 'NotAllowedError');",
    ],
)
@pytest.mark.parametrize("source", ["computer", "both"])
async def test_sharing_without_sound_is_explained(
    page: Page, server: FakeServer, answer: str, source: str
) -> None:
    await page.add_init_script(SCREEN % answer)
    await connect(page, server)
    await open_settings(page)
    await page.select_option("#source", source)
    await page.click("#record")
    await expect(page.locator("#messages li.error")).to_contain_text("No sound is shared")
    await expect(page.locator("#messages li.error")).to_contain_text("Also share audio")
    await expect(page.locator("#record")).to_have_text("Start Recording")
    assert server.requests_of(protocol.StartRecording) == []


async def test_a_shared_screen_is_let_go_when_the_microphone_is_refused(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script(SCREEN % "return sound(1100, 0.4);")
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => {"
        " throw new DOMException('no', 'NotAllowedError'); };"
    )
    await connect(page, server)
    await open_settings(page)
    await page.select_option("#source", "both")
    await page.click("#record")
    await expect(page.locator("#messages li.error")).to_contain_text("microphone was refused")
    assert await page.evaluate(OPENED) == ["ended"]


SETTINGS: dict[str, str | int | float | bool | None] = {
    "noise_reduction": "vad",
    "vad": "silero",
    "end_silence_ms": 700,
    "silence_threshold": 10,
    "speech_threshold": 0.5,
    "vad_threshold": 0.02,
}


async def shown_settings(page: Page) -> list[str]:
    return [await page.locator(f"#{name}").input_value() for name in SETTINGS]


async def test_settings_are_shown_changed_and_follow_other_windows(
    page: Page, server: FakeServer
) -> None:
    server.settings = dict(SETTINGS)
    await connect(page, server)
    await open_settings(page)
    await expect(page.locator("#end_silence_ms")).to_have_value("700")
    assert await shown_settings(page) == ["vad", "silero", "700", "10", "0.5", "0.02"]
    await page.select_option("#noise_reduction", "on")
    await page.fill("#end_silence_ms", "1200")
    await page.press("#end_silence_ms", "Tab")
    await page.locator("#speech_threshold").fill("0.65")
    await server.until(lambda: len(server.requests_of(protocol.UpdateConfig)) == 3)
    changes = [
        request.settings
        for request in server.requests_of(protocol.UpdateConfig)
        if isinstance(request, protocol.UpdateConfig)
    ]
    assert changes == [
        {"noise_reduction": "on"},
        {"end_silence_ms": 1200},
        {"speech_threshold": 0.65},
    ]
    await expect(page.locator("#silence_threshold")).to_be_hidden()
    server.say_on(Port.CONTROL, ConfigUpdated(settings={"vad": "energy", "silence_threshold": 25}))
    await expect(page.locator("#silence_threshold")).to_be_visible()
    await expect(page.locator("#end_silence_ms")).to_be_hidden()
    assert await shown_settings(page) == ["on", "energy", "1200", "25", "0.65", "0.02"]


@pytest.mark.parametrize("code", ["bad_setting", "not_live"])
async def test_a_refused_setting_is_explained_and_put_back(
    page: Page, server: FakeServer, code: str
) -> None:
    server.settings = dict(SETTINGS)
    words = "noise_reduction cannot be changed now"
    server.refused["noise_reduction"] = ErrorEvent(code=code, message=words)
    await connect(page, server)
    await open_settings(page)
    await expect(page.locator("#end_silence_ms")).to_have_value("700")
    await page.select_option("#noise_reduction", "on")
    await expect(page.locator("#messages li.error")).to_contain_text(words)
    await expect(page.locator("#noise_reduction")).to_have_value("vad")
    await page.select_option("#vad", "energy")  # a change that is taken takes the message away
    await expect(page.locator("#messages li")).to_have_count(0)


async def test_an_impossible_number_is_not_sent(page: Page, server: FakeServer) -> None:
    server.settings = dict(SETTINGS)
    await connect(page, server)
    await open_settings(page)
    field: Locator = page.locator("#end_silence_ms")
    await expect(field).to_have_value("700")
    for impossible in ("10", ""):
        await field.fill(impossible)
        await field.press("Enter")
    await field.fill("800")
    await field.press("Enter")
    await server.until(lambda: bool(server.requests_of(protocol.UpdateConfig)))
    assert server.settings["end_silence_ms"] == 800
    assert len(server.requests_of(protocol.UpdateConfig)) == 1


async def test_a_viewer_changes_no_settings(page: Page, server: FakeServer) -> None:
    server.settings = dict(SETTINGS)
    await connect(page, server, "?role=viewer")
    await open_settings(page)
    await expect(page.locator("#end_silence_ms")).to_have_value("700")
    for name in SETTINGS:
        await expect(page.locator(f"#{name}")).to_be_disabled()


async def test_a_tab_in_the_background_keeps_streaming(
    page: Page, context: BrowserContext, server: FakeServer
) -> None:
    await connect(page, server)
    await start_recording(page, server)
    other = await context.new_page()
    await other.goto(server.page_url)
    await other.bring_to_front()
    before = len(server.frames)
    await server.until(lambda: len(server.frames) >= before + 16)
    await page.bring_to_front()
    await stop_recording(page)
