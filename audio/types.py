"""What crosses between audio and the rest: plain arrays and frozen events on the 16 kHz clock.

Every position is an absolute sample index of the stream at `SAMPLE_RATE_HZ`, counted from the
first sample that the stream ever sent. No wall-clock time appears here, so that the same audio
gives the same events however it was cut into messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000
"""The one rate behind the front end (Whisper's and Silero's)."""

WINDOW_SAMPLES = 512
"""One voice-detector window: 32 ms."""

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono audio, shape (n,), float32 in [-1, 1]."""


def samples_to_ms(samples: int) -> int:
    """Milliseconds (rounded down) of a sample count or position at `SAMPLE_RATE_HZ`."""
    return samples * 1000 // SAMPLE_RATE_HZ


def ms_to_samples(ms: float) -> int:
    """Sample count of a duration at `SAMPLE_RATE_HZ`."""
    return int(ms * SAMPLE_RATE_HZ / 1000)


class AudioError(ValueError):
    """Audio that cannot be used as sent. `code` is stable and goes to the client."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Encoding(Enum):
    """How samples travel on the wire."""

    PCM16 = "pcm16"
    """Signed 16-bit little endian."""
    FLOAT32 = "float32"
    """IEEE float, little endian, full scale 1.0."""
    MULAW = "mulaw"
    """G.711 mu-law, one byte a sample."""
    ALAW = "alaw"
    """G.711 A-law, one byte a sample."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return {Encoding.PCM16: 2, Encoding.FLOAT32: 4}.get(self, 1)


class ChannelMode(Enum):
    """What becomes of a second channel."""

    MIX = "mix"
    """Averaged into one stream."""
    SPLIT = "split"
    """Each channel is a stream of its own (agent and customer)."""


class NoiseReduction(Enum):
    """Where the denoised signal goes."""

    OFF = "off"
    VAD = "vad"
    """The detector hears it, the recogniser hears the original."""
    ON = "on"
    """Detector and recogniser hear it."""


class VadKind(Enum):
    """Which voice detector a stream uses."""

    SILERO = "silero"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format of incoming bytes.

    Raises AudioError (`bad_sample_rate`, `bad_channels`) outside 8-96 kHz or 1-2 channels.
    """

    encoding: Encoding = Encoding.PCM16
    sample_rate_hz: int = SAMPLE_RATE_HZ
    channels: int = 1
    channel_mode: ChannelMode = ChannelMode.MIX

    def __post_init__(self) -> None:
        if not 8_000 <= self.sample_rate_hz <= 96_000:
            raise AudioError(
                "bad_sample_rate",
                f"sample_rate must be 8000 to 96000 Hz, not {self.sample_rate_hz}",
            )
        if self.channels not in (1, 2):
            raise AudioError("bad_channels", f"channels must be 1 or 2, not {self.channels}")

    @property
    def stream_count(self) -> int:
        """How many streams audio of this format becomes."""
        return 2 if self.channels == 2 and self.channel_mode is ChannelMode.SPLIT else 1


@dataclass(frozen=True, slots=True)
class FrontendConfig:
    """How one stream's speech is found. Durations are on the audio clock."""

    vad: VadKind = VadKind.SILERO
    silero_on: float = 0.5
    silero_off: float = 0.35
    energy_threshold: float = 0.02
    """RMS that the energy detector calls speech (the classic `vad_threshold`)."""
    min_speech_ms: int = 200
    pre_roll_ms: int = 300
    pause_ms: int = 96
    """Silence after which an utterance is decoded as if it ended here: speech may go on (its text
    is then a partial), but if it does not, the final is ready sooner."""
    gap_ms: int = 200
    """Shorter silences are part of words and phrases."""
    end_silence_ms: int = 500
    soft_end_ms: int = 12_000
    """From here on a silence of `gap_ms` ends the utterance."""
    hard_end_ms: int = 15_000
    """Here the utterance is split at the least speech-like window of the last 3 s."""
    noise_reduction: NoiseReduction = NoiseReduction.VAD


@dataclass(frozen=True, slots=True, eq=False)
class PcmBlock:
    """Up to one detector window of the audio that the recogniser hears."""

    start_sample: int
    samples: Samples

    @property
    def end_sample(self) -> int:
        """Position after the last sample."""
        return self.start_sample + len(self.samples)


class EndReason(Enum):
    """Why an utterance ended."""

    SILENCE = "silence"
    SPLIT = "split"
    """Too long: cut, and the next utterance starts where this one ends."""
    FLUSH = "flush"
    """The client said `audio_end`, stopped, left, or fell silent on the wire."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Someone speaks. `start_sample` includes the pre-roll; it never precedes the last end."""

    start_sample: int
    detected_sample: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """`pause_ms` of silence: if nothing more comes, the utterance will end at `end_sample`."""

    end_sample: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech went on after a `SpeechPaused`, whose end does not hold."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is [start of its SpeechStarted, `end_sample`).

    After SILENCE, `end_sample` equals that of the last `SpeechPaused`.
    """

    end_sample: int
    reason: EndReason


SpeechEvent: TypeAlias = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded
FrontendItem: TypeAlias = PcmBlock | SpeechEvent
"""In order: a block comes before the events that its samples caused."""
