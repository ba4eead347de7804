"""One audio connection: bytes in, each stream's blocks and events out.

WAV headers -> sample decoder -> channels -> one front end per stream. The result does not
depend on how the bytes were cut.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from audio.codec import ChannelSamples, SampleDecoder
from audio.frontend import StreamFrontend
from audio.types import AudioFormat, ChannelMode, FrontendConfig, FrontendItem
from audio.vad import SileroModel
from audio.wav import WavAudio, WavEnd, WavFault, WavFormat, WavPart, WavScanner


@dataclass(frozen=True, slots=True)
class AudioProblem:
    """Something wrong with the bytes that the client should hear of; the stream goes on.

    `torn_sample`, `non_finite_samples`, `bad_wav` or `bytes_after_wav`.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """What came of a call.

    `streams[i]` holds the items of stream i, in order; there are at least as many as the format
    has streams, and as many as it had before if the call changed it.
    """

    streams: tuple[tuple[FrontendItem, ...], ...]
    problems: tuple[AudioProblem, ...]


class AudioIntake:
    """All of one connection's audio. Synchronous, bound to no thread, one call at a time.

    Before any configuration the bytes are 16 kHz mono PCM16; a WAV header at a beginning (of
    the connection, after `set_format`, after `flush`, after another file) sets the format, which
    holds until the next header or `set_format`.
    """

    def __init__(self, config: FrontendConfig, silero: SileroModel) -> None:
        self._config = config
        self._silero = silero
        self._format = AudioFormat()
        self._scanner = WavScanner()
        self._decoder = SampleDecoder(self._format)
        self._frontends: list[StreamFrontend] = []
        """One per stream there ever was: a stream that comes back goes on with its clock."""
        self._items: list[list[FrontendItem]] = []
        self._problems: list[AudioProblem] = []
        self._non_finite = 0
        self._add_frontends()

    @property
    def audio_format(self) -> AudioFormat:
        """The format in force."""
        return self._format

    @property
    def position_samples(self) -> int:
        """How far the first stream has come on its 16 kHz clock: all it was sent, after a flush."""
        return self._frontends[0].position_samples

    @property
    def positions_samples(self) -> tuple[int, ...]:
        """How far each stream that there ever was has come on its own clock."""
        return tuple(frontend.position_samples for frontend in self._frontends)

    @property
    def received_samples(self) -> tuple[int, ...]:
        """How far each stream has come, with what does not fill a window yet."""
        return tuple(frontend.received_samples for frontend in self._frontends)

    def unsure_from(self, stream_index: int) -> int:
        """From here on it is not known yet whether somebody speaks in a stream."""
        return self._frontends[stream_index].unsure_from

    @property
    def mid_speech(self) -> bool:
        """Someone is speaking in one of the streams, or may just have begun to."""
        return any(frontend.mid_speech for frontend in self._active())

    def push(self, data: bytes) -> IntakeResult:
        """Take the next bytes. Raises AudioError `vad_failed`."""
        self._take(self._scanner.push(data))
        return self._result()

    def flush(self) -> IntakeResult:
        """The audio ends here for now: everything so far comes out, open utterances end.

        Raises AudioError `vad_failed`.
        """
        self._end_audio()
        return self._result()

    def set_format(self, audio_format: AudioFormat) -> IntakeResult:
        """Flush what came before; what comes next has this format, unless it is a WAV file.

        Raises AudioError `vad_failed`.
        """
        self._end_audio()
        self._switch(audio_format)
        return self._result()

    def set_config(self, config: FrontendConfig) -> None:
        """Go by these settings from each stream's next window on."""
        self._config = config
        for frontend in self._frontends:
            frontend.set_config(config)

    # -- bytes --------------------------------------------------------------------------------

    def _take(self, parts: list[WavPart]) -> None:
        for part in parts:
            match part:
                case WavAudio():
                    self._feed(self._decoder.decode(part.data))
                    self._non_finite += self._decoder.take_non_finite()
                case WavFormat():
                    mode = self._format.channel_mode
                    self._on_header(replace(part.audio_format, channel_mode=mode))
                case WavEnd():
                    self._drop_torn_sample()
                case WavFault():
                    self._problems.append(AudioProblem(part.code, part.message))

    def _on_header(self, audio_format: AudioFormat) -> None:
        # Some clients send each piece of one recording as a file of its own: a header that
        # changes nothing must not end an utterance.
        if audio_format != self._format:
            self._end_streams()
            self._switch(audio_format)

    def _end_audio(self) -> None:
        self._take(self._scanner.flush())
        self._end_streams()

    def _end_streams(self) -> None:
        self._drop_torn_sample()
        for index, frontend in enumerate(self._active()):
            self._items[index] += frontend.flush()

    def _switch(self, audio_format: AudioFormat) -> None:
        """Change the format after a flush."""
        self._format = audio_format
        self._decoder = SampleDecoder(audio_format)
        for frontend in self._active():
            frontend.set_source_rate(audio_format.sample_rate_hz)
        self._add_frontends()

    def _drop_torn_sample(self) -> None:
        rest = self._decoder.remainder_bytes
        if rest:
            message = f"{rest} bytes at the end are no whole frame of {self._decoder.frame_bytes}"
            self._problems.append(AudioProblem("torn_sample", message))
        self._decoder.reset()

    # -- streams ------------------------------------------------------------------------------

    def _active(self) -> list[StreamFrontend]:
        return self._frontends[: self._format.stream_count]

    def _add_frontends(self) -> None:
        while len(self._frontends) < self._format.stream_count:
            rate_hz = self._format.sample_rate_hz
            self._frontends.append(StreamFrontend(rate_hz, self._config, self._silero))
            self._items.append([])

    def _feed(self, channels: ChannelSamples) -> None:
        if channels.shape[1] == 0:
            return
        if self._format.channel_mode is ChannelMode.MIX and len(channels) > 1:
            channels = channels.mean(axis=0, keepdims=True)
        for index, frontend in enumerate(self._active()):
            self._items[index] += frontend.push(channels[index])

    def _result(self) -> IntakeResult:
        if self._non_finite:
            message = f"{self._non_finite} samples were not finite and were taken as silence"
            self._problems.append(AudioProblem("non_finite_samples", message))
            self._non_finite = 0
        count = len(self._frontends)
        while count > self._format.stream_count and not self._items[count - 1]:
            count -= 1
        result = IntakeResult(
            tuple(tuple(items) for items in self._items[:count]), tuple(self._problems)
        )
        self._items = [[] for _ in self._frontends]
        self._problems = []
        return result
