"""Speech probabilities to utterances. Pure: positions in samples, no clock.

Hysteresis as in Silero's VADIterator (https://github.com/snakers4/silero-vad), with debouncing
states on both sides: QUIET -> STARTING -> SPEAKING -> STOPPING.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from audio.types import (
    WINDOW_SAMPLES,
    EndReason,
    FrontendConfig,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    ms_to_samples,
)

logger = logging.getLogger(__name__)

LOOKBACK_SAMPLES = ms_to_samples(3_000)
"""A forced split looks this far back for the place that sounds least like speech, and a start
this far back for first words."""

WORD_SAMPLES = ms_to_samples(64)
"""Less than this is no word. A flush makes an utterance of more, `min_speech_ms` or not."""


class EndpointState(Enum):
    """What the endpointer believes."""

    QUIET = "quiet"
    STARTING = "starting"
    """Speech, but not yet enough of it."""
    SPEAKING = "speaking"
    STOPPING = "stopping"
    """Silence inside an utterance, not yet enough of it."""


class _Window(NamedTuple):
    start: int
    end: int
    probability: float


@dataclass(frozen=True, slots=True)
class _Limits:
    """A config's durations in samples."""

    min_speech: int
    pre_roll: int
    pause: int
    gap: int
    end_silence: int
    soft_end: int
    hard_end: int
    lookback: int

    @classmethod
    def of(cls, config: FrontendConfig) -> _Limits:
        end_silence = ms_to_samples(config.end_silence_ms)
        hard_end = ms_to_samples(config.hard_end_ms)
        return cls(
            min_speech=ms_to_samples(config.min_speech_ms),
            pre_roll=ms_to_samples(config.pre_roll_ms),
            pause=min(ms_to_samples(config.pause_ms), end_silence),
            gap=min(ms_to_samples(config.gap_ms), end_silence),
            end_silence=end_silence,
            soft_end=min(ms_to_samples(config.soft_end_ms), hard_end),
            hard_end=hard_end,
            lookback=min(LOOKBACK_SAMPLES, hard_end // 2),  # so both parts are real
        )


class Endpointer:
    """Finds the utterances of one stream."""

    def __init__(self, config: FrontendConfig) -> None:
        self.set_config(config)
        self._state = EndpointState.QUIET
        self._is_speech = False
        self._floor = 0
        """No utterance may begin before this: an end, a split or a flush."""
        self._continues = False
        """The last utterance was split where nothing has been said since."""
        self._run_start = 0
        self._run_speech = 0
        """Samples of speech windows in the run that STARTING counts."""
        self._first_word: tuple[int, int] | None = None
        """Start and end of what was too short to begin an utterance by itself."""
        self._start = 0
        self._speech_end = 0
        """End of the last speech window."""
        self._pause_end: int | None = None
        """What the last SpeechPaused said, as long as it holds."""
        self._recent: deque[_Window] = deque()

    @property
    def state(self) -> EndpointState:
        """What it believes now."""
        return self._state

    @property
    def possible_start(self) -> int | None:
        """Where the utterance would begin that STARTING may turn into."""
        if self._state is not EndpointState.STARTING:
            return None
        return self._utterance_start(self._speech_end)

    def set_config(self, config: FrontendConfig) -> None:
        """Judge by these settings from the next window on."""
        self._config = config
        self._limits = _Limits.of(config)

    def step(
        self, probability: float, window_start_sample: int, window_samples: int = WINDOW_SAMPLES
    ) -> list[SpeechEvent]:
        """Take the next window. `window_samples` is less than 512 only before a flush."""
        window = _Window(window_start_sample, window_start_sample + window_samples, probability)
        self._hear(window)
        match self._state:
            case EndpointState.QUIET:
                return self._on_quiet(window)
            case EndpointState.STARTING:
                return self._on_starting(window)
            case EndpointState.SPEAKING:
                return self._on_speaking(window)
            case EndpointState.STOPPING:
                return self._on_stopping(window)

    def flush(self, end_sample: int) -> list[SpeechEvent]:
        """The audio ends here, or is cut off from what follows: end what is open."""
        events: list[SpeechEvent] = []
        match self._state:
            case EndpointState.STARTING if self._run_speech >= WORD_SAMPLES:
                events.append(SpeechStarted(self._utterance_start(end_sample), end_sample))
                events += self._finish(end_sample, EndReason.FLUSH)
            case EndpointState.SPEAKING:
                events += self._finish(end_sample, EndReason.FLUSH)
            case EndpointState.STOPPING:
                end = end_sample if self._pause_end is None else min(self._pause_end, end_sample)
                events += self._finish(end, EndReason.FLUSH)
            case _:
                self._enter(EndpointState.QUIET, end_sample)
        self._continues = False
        self._is_speech = False
        self._first_word = None
        self._floor = end_sample
        return events

    # -- one window in each state -------------------------------------------------------------

    def _hear(self, window: _Window) -> None:
        if window.probability >= self._config.silero_on:
            self._is_speech = True
        elif window.probability < self._config.silero_off:
            self._is_speech = False
        self._recent.append(window)
        while self._recent[0].start < window.end - self._limits.lookback:
            self._recent.popleft()

    def _on_quiet(self, window: _Window) -> list[SpeechEvent]:
        if not self._is_speech:
            return []
        self._run_start = window.start
        self._run_speech = 0
        self._enter(EndpointState.STARTING, window.start)
        return self._on_starting(window)

    def _on_starting(self, window: _Window) -> list[SpeechEvent]:
        if self._is_speech:
            self._speech_end = window.end
            self._run_speech += window.end - window.start
            if self._continues or self._run_speech >= self._limits.min_speech:
                return self._begin(window)
        elif window.end - self._speech_end >= self._limits.gap:
            self._give_up(window)
        return []

    def _on_speaking(self, window: _Window) -> list[SpeechEvent]:
        if not self._is_speech:
            self._enter(EndpointState.STOPPING, window.start)
            return self._on_silence(window)
        self._speech_end = window.end
        return self._split_if_long(window)

    def _on_stopping(self, window: _Window) -> list[SpeechEvent]:
        if not self._is_speech:
            return self._on_silence(window)
        events: list[SpeechEvent] = []
        if self._pause_end is not None:
            events.append(SpeechResumed(window.start))
            self._pause_end = None
        self._speech_end = window.end
        self._enter(EndpointState.SPEAKING, window.start)
        return events + self._split_if_long(window)

    def _on_silence(self, window: _Window) -> list[SpeechEvent]:
        silence = window.end - self._speech_end
        events: list[SpeechEvent] = []
        if self._pause_end is None and silence >= self._limits.pause:
            self._pause_end = self._speech_end + self._limits.pause
            events.append(SpeechPaused(self._pause_end))
        if self._pause_end is None:
            return self._split_if_long(window)
        long = window.end - self._start >= self._limits.soft_end
        if silence >= (self._limits.gap if long else self._limits.end_silence):
            events += self._finish(self._pause_end, EndReason.SILENCE)
        return events

    # -- utterances ---------------------------------------------------------------------------

    def _give_up(self, window: _Window) -> None:
        """Too little speech for an utterance; it may yet prove to be the first word of one."""
        if self._run_speech >= WORD_SAMPLES:
            self._first_word = (self._possible_start(), self._speech_end)
        self._continues = False
        self._enter(EndpointState.QUIET, window.end)

    def _possible_start(self) -> int:
        """Where the run began, or words shortly before it that nothing came of.

        A short word and a gap longer than `gap_ms` are a common way to begin ("click ... on
        the picture"). The gap would not have ended an utterance, so it does not separate one.
        """
        if self._first_word is None:
            return self._run_start
        start, end = self._first_word
        return start if self._run_start - end < self._limits.end_silence else self._run_start

    def _utterance_start(self, detected: int) -> int:
        if self._continues:
            return self._floor
        earliest = detected - self._limits.lookback
        start = min(self._run_start, max(self._possible_start(), earliest))
        return max(self._floor, start - self._limits.pre_roll)

    def _begin(self, window: _Window) -> list[SpeechEvent]:
        self._start = self._utterance_start(window.end)
        self._continues = False
        self._first_word = None
        self._pause_end = None
        self._enter(EndpointState.SPEAKING, window.end)
        return [SpeechStarted(self._start, window.end)]

    def _finish(self, end_sample: int, reason: EndReason) -> list[SpeechEvent]:
        self._floor = end_sample
        self._pause_end = None
        self._enter(EndpointState.QUIET, end_sample)
        return [SpeechEnded(end_sample, reason)]

    def _split_if_long(self, window: _Window) -> list[SpeechEvent]:
        """Cut an utterance of `hard_end_ms` in two.

        The second begins at once if something has been said after the cut, else (nobody wants
        an utterance of silence) with the next speech window, unless a pause comes first.
        """
        if window.end - self._start < self._limits.hard_end:
            return []
        split = min(self._recent, key=lambda entry: (entry.probability, -entry.end)).end
        self._floor = split
        events: list[SpeechEvent] = [SpeechEnded(split, EndReason.SPLIT)]
        if self._speech_end > split:
            self._start = split
            events.append(SpeechStarted(split, window.end))
        else:
            self._continues = True
            self._run_speech = 0
            self._enter(EndpointState.STARTING, window.end)
        return events

    def _enter(self, state: EndpointState, at_sample: int) -> None:
        if state is not self._state:
            logger.debug("%s -> %s at sample %d", self._state.name, state.name, at_sample)
            self._state = state
