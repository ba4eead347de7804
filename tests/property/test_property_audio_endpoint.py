"""What must hold of the endpointer's events, whatever is said."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from audio.endpoint import WORD_SAMPLES, Endpointer
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

configs = st.builds(
    FrontendConfig,
    min_speech_ms=st.sampled_from([0, 32, 100, 200, 600]),
    pre_roll_ms=st.sampled_from([0, 100, 300]),
    pause_ms=st.sampled_from([32, 100]),
    gap_ms=st.sampled_from([100, 200]),
    end_silence_ms=st.sampled_from([200, 500]),
    soft_end_ms=st.sampled_from([1_500, 3_000]),
    hard_end_ms=st.sampled_from([3_000, 4_000, 7_000]),
)
levels = st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.49, 0.5, 0.7, 0.9, 1.0])
runs = st.lists(st.tuples(levels, st.integers(1, 60)), max_size=25)


@dataclass
class Told:
    """The events of one stream, checked for order as they come."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    start: int | None = None
    pause: int | None = None

    def take(self, event: SpeechEvent, now: int) -> None:
        match event:
            case SpeechStarted():
                assert self.start is None
                assert event.start_sample < event.detected_sample == now
                assert not self.ranges or event.start_sample >= self.ranges[-1][1]
                self.start = event.start_sample
            case SpeechPaused():
                assert self.start is not None
                assert self.pause is None
                assert self.start < event.end_sample <= now
                self.pause = event.end_sample
            case SpeechResumed():
                assert self.pause is not None
                assert event.at_sample == now - WINDOW_SAMPLES >= self.pause
                self.pause = None
            case SpeechEnded():
                assert self.start is not None
                assert self.start < event.end_sample <= now
                if event.reason is EndReason.SILENCE:
                    assert event.end_sample == self.pause
                if event.reason is EndReason.SPLIT:
                    assert self.pause is None
                self.ranges.append((self.start, event.end_sample))
                self.start = self.pause = None


def speech_runs(
    config: FrontendConfig, probabilities: list[float]
) -> tuple[list[list[int]], list[int]]:
    """Windows of speech, grouped into runs without a gap inside; and all of them."""
    found: list[list[int]] = []
    speech = False
    last = None
    for index, probability in enumerate(probabilities):
        speech = probability >= config.silero_on or (speech and probability >= config.silero_off)
        if not speech:
            continue
        if last is None or (index - last - 1) * WINDOW_SAMPLES >= gap_samples(config):
            found.append([])
        found[-1].append(index)
        last = index
    return found, [index for run in found for index in run]


@settings(max_examples=300, deadline=None)
@given(configs, runs)
def test_invariants(config: FrontendConfig, script: list[tuple[float, int]]) -> None:
    probabilities = [level for level, count in script for _ in range(count)]
    end = len(probabilities) * WINDOW_SAMPLES
    endpointer = Endpointer(config)
    ranges = hear(endpointer, probabilities, 0)

    grouped, speech = speech_runs(config, probabilities)
    for run in grouped:
        silence_after = end - (run[-1] + 1) * WINDOW_SAMPLES
        open_at_end = run is grouped[-1] and silence_after < gap_samples(config)
        needed = WORD_SAMPLES if open_at_end else ms_to_samples(config.min_speech_ms)
        if len(run) * WINDOW_SAMPLES >= needed:
            for window in run:
                assert covered(ranges, window * WINDOW_SAMPLES), window
    for start, stop in ranges:
        assert stop - start <= ms_to_samples(config.hard_end_ms) + WINDOW_SAMPLES
        assert any(start < (w + 1) * WINDOW_SAMPLES and w * WINDOW_SAMPLES < stop for w in speech)

    # A flush leaves nothing behind: the same audio again gives the same utterances, moved.
    assert hear(endpointer, probabilities, end) == [(a + end, b + end) for a, b in ranges]


def hear(endpointer: Endpointer, probabilities: list[float], origin: int) -> list[tuple[int, int]]:
    """Step through all windows, flush, and check every event on the way."""
    told = Told()
    at = origin
    for probability in probabilities:
        events = endpointer.step(probability, at)
        at += WINDOW_SAMPLES
        for event in events:
            told.take(event, at)
    for event in endpointer.flush(at):
        told.take(event, at)
    assert told.start is None
    return told.ranges


def gap_samples(config: FrontendConfig) -> int:
    return min(ms_to_samples(config.gap_ms), ms_to_samples(config.end_silence_ms))


def covered(ranges: list[tuple[int, int]], window_start: int) -> bool:
    """Whether one utterance, or two that touch, hold the whole window."""
    held = sum(
        max(0, min(stop, window_start + WINDOW_SAMPLES) - max(start, window_start))
        for start, stop in ranges
    )
    return held == WINDOW_SAMPLES
