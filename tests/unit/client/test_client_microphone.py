from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from client.microphone import (
    QUEUE_BLOCKS,
    Backend,
    Device,
    Microphone,
    MicrophoneError,
    PyAudioBackend,
    SoundDeviceBackend,
    choose_device,
    find_backend,
)
from client.sources import SourceError

HEADSET = Device(3, "USB Headset", 48_000, is_default=False)
BUILT_IN = Device(1, "Built-in Microphone", 44_100, is_default=True)


class FakePyAudio:
    """As much of PyAudio as is used: a speaker, and a microphone that is the default."""

    paInt16 = 8  # noqa: N815
    paContinue = 0  # noqa: N815

    def __init__(self, *, default: bool = True) -> None:
        self.opened: dict[str, Any] = {}
        self.calls: list[str] = []
        self._default = default
        self._infos = [
            {"index": 0, "name": "Speaker", "maxInputChannels": 0, "defaultSampleRate": 44100.0},
            {"index": 1, "name": "Mic", "maxInputChannels": 2, "defaultSampleRate": 44100.0},
        ]

    def PyAudio(self) -> FakePyAudio:  # noqa: N802
        return self

    def get_default_input_device_info(self) -> dict[str, Any]:
        if not self._default:
            raise OSError("No Default Input Device Available")
        return self._infos[1]

    def get_device_count(self) -> int:
        return len(self._infos)

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        return self._infos[index]

    def is_format_supported(self, rate: float, **_: object) -> bool:
        if rate != 44_100:
            raise ValueError("Invalid sample rate", -9997)
        return True

    def open(self, **how: Any) -> FakePyAudio:
        self.opened = how
        return self

    def stop_stream(self) -> None:
        self.calls.append("stop_stream")

    def close(self) -> None:
        self.calls.append("close")


class FakeSoundDevice:
    """As much of sounddevice as is used."""

    class PortAudioError(Exception):
        pass

    def __init__(self, failure: str | None = None) -> None:
        self.default = SimpleNamespace(device=(1, 0))
        self.failure = failure
        self.opened: dict[str, Any] = {}
        self.calls: list[str] = []

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 44100.0},
            {"name": "Mic", "max_input_channels": 1, "default_samplerate": 48000.0},
        ]

    def check_input_settings(self, **how: Any) -> None:
        if how["samplerate"] != 48_000:
            raise self.PortAudioError("Invalid sample rate")

    def RawInputStream(self, **how: Any) -> FakeSoundDevice:  # noqa: N802
        if self.failure is not None:
            raise self.PortAudioError(self.failure)
        self.opened = how
        return self

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def close(self) -> None:
        self.calls.append("close")


class ScriptedBackend:
    """A backend whose recordings a test feeds. Supports the rates it is given."""

    def __init__(self, *rates_hz: int, failure: str | None = None) -> None:
        self.rates_hz = rates_hz
        self.failure = failure
        self.block_samples = 0
        self.feed: Callable[[bytes], object] = lambda _: None
        self.stopped = False

    def devices(self) -> list[Device]:
        return [BUILT_IN]

    def supports(self, device: Device, rate_hz: int) -> bool:
        return rate_hz in self.rates_hz

    def open(
        self, device: Device, rate_hz: int, block_samples: int, on_block: Callable[[bytes], object]
    ) -> Callable[[], None]:
        if self.failure is not None:
            raise OSError(self.failure)
        self.block_samples = block_samples
        self.feed = on_block
        return self.stop

    def stop(self) -> None:
        self.stopped = True


def importing(**modules: object) -> Callable[[str], object]:
    """An importer that knows these modules; an exception is raised instead."""

    def import_module(name: str) -> object:
        module = modules.get(name, ImportError(f"No module named {name!r}"))
        if isinstance(module, Exception):
            raise module
        return module

    return import_module


def test_pyaudio_is_preferred() -> None:
    found = find_backend(importing(pyaudio=FakePyAudio(), sounddevice=FakeSoundDevice()))
    assert isinstance(found, PyAudioBackend)


def test_sounddevice_is_used_where_pyaudio_is_missing() -> None:
    assert isinstance(find_backend(importing(sounddevice=FakeSoundDevice())), SoundDeviceBackend)


@pytest.mark.parametrize(
    ("platform", "advice"),
    [
        ("win32", "pip install pyaudio"),
        ("darwin", "pip install sounddevice"),
        ("linux", "libportaudio2"),
    ],
)
def test_without_either_the_message_says_what_to_install(platform: str, advice: str) -> None:
    no_library = importing(sounddevice=OSError("PortAudio library not found"))
    with pytest.raises(MicrophoneError) as raised:
        find_backend(no_library, platform)
    assert "PortAudio library not found" in str(raised.value)
    assert advice in str(raised.value)
    assert "send a file" in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(None, BUILT_IN), ("3", HEADSET), ("headset", HEADSET), ("microphone", BUILT_IN)],
)
def test_devices_are_chosen_by_number_or_part_of_a_name(wanted: str | None, chosen: Device) -> None:
    assert choose_device([HEADSET, BUILT_IN], wanted) == chosen


def test_without_a_default_the_first_device_is_taken() -> None:
    assert choose_device([HEADSET], None) == HEADSET


def test_no_device_and_no_such_device_are_told_apart() -> None:
    with pytest.raises(MicrophoneError, match="no microphone found"):
        choose_device([], None)
    with pytest.raises(MicrophoneError, match="--list-devices"):
        choose_device([BUILT_IN], "webcam")


def test_pyaudio_lists_inputs_and_records_blocks() -> None:
    module = FakePyAudio()
    backend = PyAudioBackend(module)
    device = Device(1, "Mic", 44_100, is_default=True)
    assert backend.devices() == [device]
    assert backend.supports(device, 44_100)
    assert not backend.supports(device, 16_000)
    heard: list[bytes] = []
    stop = backend.open(device, 44_100, 2822, heard.append)
    assert module.opened["rate"] == 44_100
    assert module.opened["input_device_index"] == 1
    assert module.opened["frames_per_buffer"] == 2822
    assert module.opened["stream_callback"](b"ab", 1, {}, 0) == (None, module.paContinue)
    assert heard == [b"ab"]
    stop()
    assert module.calls == ["stop_stream", "close"]


def test_pyaudio_without_a_default_input_still_lists_its_devices() -> None:
    devices = PyAudioBackend(FakePyAudio(default=False)).devices()
    assert devices == [Device(1, "Mic", 44_100, is_default=False)]


def test_sounddevice_lists_inputs_and_records_blocks() -> None:
    module = FakeSoundDevice()
    backend = SoundDeviceBackend(module)
    device = Device(1, "Mic", 48_000, is_default=True)
    assert backend.devices() == [device]
    assert backend.supports(device, 48_000)
    assert not backend.supports(device, 16_000)
    heard: list[bytes] = []
    stop = backend.open(device, 48_000, 3072, heard.append)
    assert (module.opened["samplerate"], module.opened["blocksize"]) == (48_000, 3072)
    module.opened["callback"](memoryview(b"ab"), 1, None, None)
    assert heard == [b"ab"]
    stop()
    assert module.calls == ["start", "stop", "close"]


def test_sounddevice_failures_are_os_errors() -> None:
    with pytest.raises(OSError, match="busy"):
        SoundDeviceBackend(FakeSoundDevice("busy")).open(BUILT_IN, 48_000, 1024, bytes)


def microphone(backend: Backend, silent_limit_s: float = 5.0) -> Microphone:
    return Microphone(backend, BUILT_IN, silent_limit_s)


@pytest.mark.asyncio
@pytest.mark.parametrize(("rate_hz", "block_samples"), [(16_000, 1024), (44_100, 2822)])
async def test_blocks_are_64_ms_at_16_khz_or_at_the_device_s_own_rate(
    rate_hz: int, block_samples: int
) -> None:
    backend = ScriptedBackend(rate_hz)
    source = microphone(backend)
    assert source.audio_format.sample_rate_hz == rate_hz
    blocks = source.blocks()
    first = asyncio.create_task(anext(blocks))
    await asyncio.sleep(0)
    assert backend.block_samples == block_samples
    backend.feed(b"one")
    backend.feed(b"two")
    assert [await first, await anext(blocks)] == [b"one", b"two"]
    await blocks.aclose()
    assert backend.stopped


@pytest.mark.asyncio
async def test_a_device_that_cannot_be_opened_is_explained() -> None:
    with pytest.raises(MicrophoneError, match=r"Device unavailable.*another program"):
        await anext(microphone(ScriptedBackend(16_000, failure="Device unavailable")).blocks())


@pytest.mark.asyncio
async def test_a_device_that_gives_nothing_ends_with_an_error() -> None:
    backend = ScriptedBackend(16_000)
    with pytest.raises(MicrophoneError, match="unplugged"):
        await anext(microphone(backend, silent_limit_s=0.001).blocks())
    assert backend.stopped


@pytest.mark.asyncio
async def test_what_the_network_never_takes_ends_the_recording_loudly() -> None:
    backend = ScriptedBackend(16_000)
    heard: list[bytes] = []

    async def listen() -> None:
        async for block in microphone(backend).blocks():
            heard.append(block)  # noqa: PERF401 - what came before the error counts

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    for number in range(QUEUE_BLOCKS + 2):
        backend.feed(str(number).encode())
    with pytest.raises(SourceError, match="nobody took audio"):
        await listening
    assert heard == [str(number).encode() for number in range(QUEUE_BLOCKS)]
