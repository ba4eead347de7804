"""Files become text through the same socket as the microphone."""

from __future__ import annotations

import base64
import importlib.metadata
import io
from typing import TYPE_CHECKING, TypedDict

import av
import numpy as np
import pytest
from msgspec.structs import replace

from audio.types import Samples
from server import protocol
from server.peer import Port
from tests.browser.steps import connect, start_recording
from tests.support.audio_signals import pcm16, sweep, to_rate, wav_bytes
from tests.support.fake_server import FakeServer, final

expect = pytest.importorskip("playwright.async_api", reason="playwright is missing").expect
if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RATE_HZ = 16_000
WINDOW = 32 * 1024  # samples: the first whole block beyond 2 s


class Upload(TypedDict):
    name: str
    mimeType: str
    buffer: bytes


def upload(name: str, buffer: bytes, mime_type: str = "audio/wav") -> Upload:
    return {"name": name, "mimeType": mime_type, "buffer": buffer}


def speech(seconds: float, rate_hz: int = RATE_HZ) -> Samples:
    """A sweep: every piece of it is like no other."""
    return sweep(200, 3000, seconds, rate_hz)


def wav(name: str, seconds: float) -> Upload:
    return upload(name, wav_bytes(pcm16(speech(seconds))))


def is_speech(data: bytes, samples: Samples, tolerance: int = 1) -> bool:
    """Whether PCM16 is these samples, give or take the rounding of the way."""
    given, wanted = (np.frombuffer(each, "<i2").astype(int) for each in (data, pcm16(samples)))
    return len(given) == len(wanted) and bool(np.abs(given - wanted).max() <= tolerance)


async def choose(page: Page, *files: Upload) -> None:
    """By the button's file dialog."""
    await page.set_input_files("#file", list(files))


async def drop(page: Page, *files: Upload) -> None:
    """Drag files over the page and let go of them."""
    given = [{**file, "buffer": base64.b64encode(file["buffer"]).decode()} for file in files]
    carried = await page.evaluate_handle(
        """(files) => {
          const carried = new DataTransfer();
          for (const { name, mimeType, buffer } of files) {
            const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
            carried.items.add(new File([bytes], name, { type: mimeType }));
          }
          return carried;
        }""",
        given,
    )
    for kind in ("dragover", "drop"):
        await page.dispatch_event("#scroll", kind, {"dataTransfer": carried})


async def done(page: Page, server: FakeServer, count: int = 1) -> None:
    """Until that many files were sent to the end."""
    await server.until(lambda: len(server.requests_of(protocol.AudioEnd)) == count)
    await expect(page.locator("#record")).to_have_text("Start Recording")
    await expect(page.locator("#file-progress")).to_be_hidden()


def assert_announced(server: FakeServer) -> None:
    """16 kHz PCM16 mono, from start to audio_end."""
    [config] = server.requests_of(protocol.AudioConfig)
    assert isinstance(config, protocol.AudioConfig)
    assert (config.encoding, config.sample_rate, config.channels) == ("pcm16", RATE_HZ, 1)
    [_] = server.requests_of(protocol.AudioEnd)


async def test_a_wav_file_arrives_to_the_sample(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    async with page.expect_file_chooser() as chooser:
        await page.click("#file-button")
    await (await chooser.value).set_files([wav("a.wav", 3)])
    await done(page, server)
    assert_announced(server)
    assert is_speech(server.audio, speech(3))
    await expect(page.locator("#messages li")).to_contain_text("No speech detected")


async def test_a_stereo_file_of_another_rate_is_mixed_and_resampled(
    page: Page, server: FakeServer
) -> None:
    left = to_rate(speech(2), 44_100)
    both = wav_bytes(pcm16(left, left * 0), rate_hz=44_100, channels=2)
    await connect(page, server)
    await drop(page, upload("both.wav", both))
    await done(page, server)
    assert_announced(server)
    got = np.frombuffer(server.audio, "<i2") / 32768
    wanted = speech(2) / 2
    assert len(got) == pytest.approx(len(wanted), abs=1)
    middle = slice(1000, 20_000)
    assert np.corrcoef(got[middle], wanted[middle])[0, 1] > 0.99
    assert np.std(got[middle]) == pytest.approx(np.std(wanted[middle]), rel=0.05)


def seconds_of(media: bytes) -> float:
    with av.open(io.BytesIO(media), "r") as container:
        frames = container.decode(audio=0)
        return float(sum(frame.samples / frame.sample_rate for frame in frames))


async def test_an_mp3_file_is_read(page: Page, server: FakeServer) -> None:
    files = importlib.metadata.files("thai-talking-clock") or ()
    mp3 = max((file for file in files if file.suffix == ".mp3"), key=lambda file: file.size or 0)
    content = mp3.read_binary()
    await connect(page, server)
    await choose(page, upload("นาฬิกา.mp3", content, "audio/mpeg"))
    await done(page, server)
    assert_announced(server)
    assert len(server.audio) / 2 / RATE_HZ == pytest.approx(seconds_of(content), abs=0.1)
    assert np.std(np.frombuffer(server.audio, "<i2")) > 300


def video(seconds: float) -> bytes:
    """A WebM video with sound."""
    written = io.BytesIO()
    with av.open(written, "w", format="webm") as container:
        pictures = container.add_stream("libvpx", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("libopus", rate=48_000)
        sound.layout = "mono"
        for number in range(round(seconds * 10)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8))
            container.mux(pictures.encode(picture))
        samples = np.frombuffer(pcm16(speech(seconds, 48_000)), "<i2").reshape(1, -1)
        heard = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        heard.sample_rate = 48_000
        container.mux(sound.encode(heard))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return written.getvalue()


async def test_the_sound_of_a_video_is_read(page: Page, server: FakeServer) -> None:
    await connect(page, server)
    await drop(page, upload("talk.webm", video(3), "video/webm"))
    await done(page, server)
    assert_announced(server)
    assert len(server.audio) / 2 / RATE_HZ == pytest.approx(3, abs=0.1)
    assert np.std(np.frombuffer(server.audio, "<i2")) > 300


async def pings(server: FakeServer, count: int) -> None:
    await server.until(lambda: len(server.requests_of(protocol.Ping)) == count)


async def test_four_seconds_are_on_their_way_at_most_and_progress_follows(
    page: Page, server: FakeServer
) -> None:
    server.answers_pings = False
    await connect(page, server)
    await choose(page, wav("ten.wav", 10))
    state = page.locator("#recording-state")
    progress = page.locator("#file-progress")
    await pings(server, 2)
    await expect(state).to_have_text("ten.wav: 0 %")
    await expect(progress).to_be_visible()
    assert len(server.audio) == 2 * 2 * WINDOW
    await server.release_pongs()
    await pings(server, 4)
    await expect(state).to_have_text("ten.wav: 41 %")
    assert await progress.evaluate("(bar) => bar.value") == pytest.approx(0.41, abs=0.01)
    assert len(server.audio) == 2 * 4 * WINDOW
    assert server.requests_of(protocol.AudioEnd) == []
    server.answers_pings = True
    await server.release_pongs()
    await done(page, server)
    assert is_speech(server.audio, speech(10))


TIMERS = """
const started = new Set(), { setInterval: start, clearInterval: end } = globalThis;
globalThis.ticking = started;
globalThis.setInterval = (...given) => { const id = start(...given); started.add(id); return id; };
globalThis.clearInterval = (id) => { started.delete(id); end(id); };
"""


@pytest.mark.parametrize("button", ["#record", "#connect"])
async def test_stop_cuts_the_file_and_says_how_much_became_text(
    page: Page, server: FakeServer, button: str
) -> None:
    server.answers_pings = False
    await page.add_init_script(TIMERS)
    await connect(page, server)
    ticking = await page.evaluate("ticking.size")
    await choose(page, wav("ten.wav", 10), wav("next.wav", 1))
    await pings(server, 2)
    await expect(page.locator("#record")).to_have_text("Stop the file")
    await page.click(button)
    await done(page, server)
    message = page.locator("#messages li")
    await expect(message).to_contain_text("ten.wav was stopped")
    await expect(message).to_contain_text("The first 4 s became text")
    assert len(server.audio) == 2 * 2 * WINDOW
    assert_announced(server)  # the file that waited is not begun
    assert await page.evaluate("ticking.size") == ticking


async def test_files_come_one_after_the_other(page: Page, server: FakeServer) -> None:
    server.acknowledges.clear()
    await connect(page, server)
    await choose(page, wav("one.wav", 1), wav("two.wav", 0.5))
    await server.until(lambda: len(server.requests_of(protocol.AudioEnd)) == 1)
    await drop(page, wav("three.wav", 0.7))  # while the first waits for its last words
    assert is_speech(server.audio, speech(1))
    server.acknowledges.set()
    await done(page, server, count=3)
    assert is_speech(server.audio, np.concatenate([speech(1), speech(0.5), speech(0.7)]))
    assert len(server.requests_of(protocol.AudioEnd)) == 3


async def test_an_unreadable_file_is_explained_and_the_next_is_read(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await choose(page, upload("notes.txt", b"no sound at all", "text/plain"), wav("a.wav", 1))
    await done(page, server)
    error = page.locator("#messages li.error")
    await expect(error).to_contain_text("notes.txt cannot be read as audio")
    await expect(error).to_contain_text("MP3, WAV, M4A")
    assert is_speech(server.audio, speech(1))


async def test_what_is_dropped_while_recording_is_refused_with_words(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await start_recording(page, server)
    await expect(page.locator("#file-button")).to_be_disabled()
    await drop(page, wav("a.wav", 1))
    await expect(page.locator("#messages li.info")).to_contain_text("Stop recording first")
    await expect(page.locator("#recording-state")).to_have_text("Recording: speak now")


async def test_a_viewer_s_files_are_refused_with_words(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url + "?role=viewer")
    await drop(page, wav("a.wav", 1))
    await expect(page.locator("#messages li")).to_contain_text("You are a viewer")
    await expect(page.locator("#record")).to_have_text("Start Recording")


async def test_a_page_that_is_offline_connects_first(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url)
    await drop(page, wav("a.wav", 1))
    await done(page, server)
    assert is_speech(server.audio, speech(1))
    await expect(page.locator("#link-state")).to_have_text("Connected")


async def test_dragged_text_is_no_file(page: Page, server: FakeServer) -> None:
    await page.goto(server.page_url)
    text = await page.evaluate_handle(
        "() => { const text = new DataTransfer(); text.setData('text/plain', 'x'); return text; }"
    )
    await page.dispatch_event("#scroll", "drop", {"dataTransfer": text})
    await expect(page.locator("#link-state")).to_have_text("Not connected")


async def test_a_connection_lost_in_mid_file_goes_on_from_the_last_final(
    page: Page, server: FakeServer
) -> None:
    server.answers_pings = False
    await connect(page, server)
    await choose(page, wav("ten.wav", 10), wav("next.wav", 1))
    await pings(server, 2)
    server.say(replace(final("หนึ่ง"), end_ms=1500))
    await expect(page.locator("#finals li")).to_have_count(1)
    server.frames.clear()
    server.answers_pings = True
    await server.hang_up(Port.AUDIO)
    await done(page, server, count=2)
    assert is_speech(server.audio, np.concatenate([speech(10)[24_000:], speech(1)]))


async def test_files_opened_while_the_connection_is_away_wait_for_it(
    page: Page, server: FakeServer
) -> None:
    await page.add_init_script("""
        const read = File.prototype.arrayBuffer;
        const allowed = new Promise((resolve) => { globalThis.allow = resolve; });
        File.prototype.arrayBuffer = async function () { await allowed; return read.call(this); };
        """)
    await connect(page, server)
    await choose(page, wav("one.wav", 1))
    await expect(page.locator("#recording-state")).to_have_text("Reading one.wav")
    await server.hang_up(Port.CONTROL)
    await page.locator("#link-state.trying").wait_for()
    await drop(page, wav("two.wav", 0.5))
    await page.evaluate("allow()")
    await done(page, server, count=2)
    assert is_speech(server.audio, np.concatenate([speech(1), speech(0.5)]))


async def test_files_dropped_while_it_tries_again_are_not_forgotten(
    page: Page, server: FakeServer
) -> None:
    await connect(page, server)
    await server.hang_up(Port.CONTROL)
    await page.locator("#link-state.trying").wait_for()
    await drop(page, wav("one.wav", 1))
    await done(page, server)
    assert is_speech(server.audio, speech(1))
