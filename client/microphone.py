"""The microphone, through PyAudio, or through sounddevice where PyAudio is missing."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from client.kept_audio import AudioFormat
from client.sources import BLOCK_SAMPLES, SAMPLE_RATE_HZ, SourceError

BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE_HZ
QUEUE_BLOCKS = 470
"""30 s of blocks wait to be taken at most. Overflow ends the recording with an error."""
SILENT_LIMIT_S = 5.0
"""A microphone that is open gives blocks all the time; one that was unplugged gives none."""


class MicrophoneError(SourceError):
    """There is no microphone to be had."""


@dataclass(frozen=True, slots=True)
class Device:
    """An input device. `index` is the audio library's own number."""

    index: int
    name: str
    default_rate_hz: int
    is_default: bool


class Backend(Protocol):
    """An audio library. Its failures are OSErrors."""

    def devices(self) -> list[Device]:
        """Everything that can record."""
        ...

    def supports(self, device: Device, rate_hz: int) -> bool:
        """Whether the device records mono PCM16 at this rate."""
        ...

    def open(
        self, device: Device, rate_hz: int, block_samples: int, on_block: Callable[[bytes], object]
    ) -> Callable[[], None]:
        """Record; `on_block` is called in another thread. Returns what ends the recording."""
        ...


class PyAudioBackend:
    """PyAudio."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._audio = module.PyAudio()

    def devices(self) -> list[Device]:
        """Everything that can record (Backend)."""
        try:
            default = int(self._audio.get_default_input_device_info()["index"])
        except OSError:  # there is none
            default = -1
        infos = map(self._audio.get_device_info_by_index, range(self._audio.get_device_count()))
        return [
            Device(
                index=int(info["index"]),
                name=str(info["name"]),
                default_rate_hz=round(info["defaultSampleRate"]),
                is_default=info["index"] == default,
            )
            for info in infos
            if info["maxInputChannels"] > 0
        ]

    def supports(self, device: Device, rate_hz: int) -> bool:
        """Whether the device records mono PCM16 at this rate (Backend)."""
        try:
            return bool(
                self._audio.is_format_supported(
                    rate_hz,
                    input_device=device.index,
                    input_channels=1,
                    input_format=self._module.paInt16,
                )
            )
        except ValueError:
            return False

    def open(
        self, device: Device, rate_hz: int, block_samples: int, on_block: Callable[[bytes], object]
    ) -> Callable[[], None]:
        """Record (Backend)."""

        def callback(data: bytes, *_: object) -> tuple[None, int]:
            on_block(data)
            return None, self._module.paContinue

        stream = self._audio.open(
            format=self._module.paInt16,
            channels=1,
            rate=rate_hz,
            input=True,
            input_device_index=device.index,
            frames_per_buffer=block_samples,
            stream_callback=callback,
        )

        def stop() -> None:
            stream.stop_stream()
            stream.close()

        return stop


class SoundDeviceBackend:
    """sounddevice."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def devices(self) -> list[Device]:
        """Everything that can record (Backend)."""
        default = int(self._module.default.device[0])
        return [
            Device(
                index=index,
                name=str(info["name"]),
                default_rate_hz=round(info["default_samplerate"]),
                is_default=index == default,
            )
            for index, info in enumerate(self._module.query_devices())
            if info["max_input_channels"] > 0
        ]

    def supports(self, device: Device, rate_hz: int) -> bool:
        """Whether the device records mono PCM16 at this rate (Backend)."""
        try:
            self._module.check_input_settings(
                device=device.index, channels=1, dtype="int16", samplerate=rate_hz
            )
        except (ValueError, self._module.PortAudioError):
            return False
        return True

    def open(
        self, device: Device, rate_hz: int, block_samples: int, on_block: Callable[[bytes], object]
    ) -> Callable[[], None]:
        """Record (Backend)."""
        try:
            stream = self._module.RawInputStream(
                samplerate=rate_hz,
                blocksize=block_samples,
                device=device.index,
                channels=1,
                dtype="int16",
                callback=lambda data, *_: on_block(bytes(data)),
            )
            stream.start()
        except self._module.PortAudioError as error:
            raise OSError(str(error)) from error

        def stop() -> None:
            stream.stop()
            stream.close()

        return stop


BACKENDS: Sequence[tuple[str, Callable[[Any], Backend]]] = (
    ("pyaudio", PyAudioBackend),
    ("sounddevice", SoundDeviceBackend),
)


def find_backend(
    import_module: Callable[[str], Any] = importlib.import_module, platform: str = sys.platform
) -> Backend:
    """The first audio library that works here. Raises MicrophoneError saying what to install."""
    missing = []
    for name, backend in BACKENDS:
        try:
            return backend(import_module(name))
        except (ImportError, OSError) as error:  # OSError: the PortAudio library is not there
            missing.append(f"{name}: {error}")
    raise MicrophoneError(
        f"no audio library for the microphone ({'; '.join(missing)}).\n{_how_to_install(platform)}"
        "\nOr send a file: give its name"
    )


def choose_device(devices: Sequence[Device], wanted: str | None) -> Device:
    """The device with that index, or part of a name; else the default one, else the first.

    Raises MicrophoneError.
    """
    if not devices:
        raise MicrophoneError(
            "no microphone found. Plug one in, allow programs to use it in the system's privacy "
            "settings, then see --list-devices. Or send a file: give its name"
        )
    if wanted is None:
        return next((d for d in devices if d.is_default), devices[0])
    for device in devices:
        if wanted == str(device.index) or wanted.lower() in device.name.lower():
            return device
    raise MicrophoneError(f"no microphone {wanted!r}; --list-devices shows what there is")


class Microphone:
    """A device as a source: mono PCM16 at 16 kHz, or at the device's own rate if it must be."""

    header = b""
    read_ahead_s: float | None = None
    total_s: float | None = None

    def __init__(
        self, backend: Backend, device: Device, silent_limit_s: float = SILENT_LIMIT_S
    ) -> None:
        self.name = device.name
        self._backend = backend
        self._device = device
        self._silent_limit_s = silent_limit_s
        wanted = backend.supports(device, SAMPLE_RATE_HZ)
        self.audio_format = AudioFormat(SAMPLE_RATE_HZ if wanted else device.default_rate_hz)

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """What is said, without end. Raises MicrophoneError, SourceError."""
        loop = asyncio.get_running_loop()
        queue = _BlockQueue(self.name, self._silent_limit_s)
        # in this thread, though it takes a moment: where PortAudio records by WASAPI, a stream
        # belongs to the thread in which PortAudio was initialised
        try:
            stop = self._backend.open(
                self._device,
                self.audio_format.sample_rate_hz,
                round(BLOCK_S * self.audio_format.sample_rate_hz),
                lambda block: loop.call_soon_threadsafe(queue.put, block),
            )
        except OSError as error:
            raise MicrophoneError(
                f"cannot record from {self.name}: {error}. Is another program using it? Are "
                "programs allowed to use it (privacy settings)? See also --list-devices"
            ) from error
        try:
            while True:
                yield await queue.get()
        finally:
            stop()


class _BlockQueue:
    """Blocks from the recording thread to the network, bounded by QUEUE_BLOCKS."""

    def __init__(self, name: str, silent_limit_s: float) -> None:
        self._name = name
        self._silent_limit_s = silent_limit_s
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_BLOCKS)
        self._overflowed = False

    def put(self, block: bytes) -> None:
        self._overflowed = self._overflowed or self._queue.full()
        if not self._overflowed:  # no hole, but an end
            self._queue.put_nowait(block)

    async def get(self) -> bytes:
        if self._overflowed and self._queue.empty():
            waiting_s = QUEUE_BLOCKS * BLOCK_S
            raise SourceError(
                f"nobody took audio of the microphone for {waiting_s:.0f} s; recording ended. Is "
                "this machine overloaded?"
            )
        try:
            async with asyncio.timeout(self._silent_limit_s):
                return await self._queue.get()
        except TimeoutError as error:
            raise MicrophoneError(
                f"{self._name} gave no audio for {self._silent_limit_s:.0f} s. Was it unplugged?"
            ) from error


def _how_to_install(platform: str) -> str:
    if platform == "win32":
        return "Install one: pip install pyaudio"
    if platform == "darwin":
        return "Install one: pip install sounddevice"
    return "Install one: pip install sounddevice, and the system's PortAudio (libportaudio2)"
