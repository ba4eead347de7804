"""The endpointer, row by row. One window is 32 ms, 512 samples."""

from __future__ import annotations

from dataclasses import replace

from audio.endpoint import Endpointer, EndpointState
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

# Whole windows: 4 of speech start an utterance, 3 of silence pause it, 8 end it.
CONFIG = FrontendConfig(
    min_speech_ms=128,
    pre_roll_ms=64,
    pause_ms=96,
    gap_ms=96,
    end_silence_ms=256,
    soft_end_ms=3_200,
    hard_end_ms=6_400,
)


class Script:
    """Drives an endpointer with runs of equal probabilities; positions in windows."""

    def __init__(self, config: FrontendConfig = CONFIG) -> None:
        self.endpointer = Endpointer(config)
        self.windows = 0

    def hear(self, probability: float, count: int) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        for _ in range(count):
            events += self.endpointer.step(probability, self.windows * WINDOW_SAMPLES)
            self.windows += 1
        return events

    def state(self) -> EndpointState:
        return self.endpointer.state

    def flush(self) -> list[SpeechEvent]:
        return self.endpointer.flush(self.windows * WINDOW_SAMPLES)


def at(windows: float) -> int:
    return round(windows * WINDOW_SAMPLES)


def test_an_utterance_from_start_to_end() -> None:
    script = Script()
    assert script.hear(0.1, 10) == []
    assert script.hear(0.9, 3) == []
    assert script.state() is EndpointState.STARTING
    assert script.hear(0.9, 1) == [SpeechStarted(at(8), at(14))]
    assert script.hear(0.9, 20) == []
    assert script.hear(0.1, 2) == []
    assert script.state() is EndpointState.STOPPING
    assert script.hear(0.1, 1) == [SpeechPaused(at(37))]
    assert script.hear(0.1, 4) == []
    assert script.hear(0.1, 1) == [SpeechEnded(at(37), EndReason.SILENCE)]
    assert script.state() is EndpointState.QUIET
    assert script.hear(0.1, 50) == []


def test_hysteresis_holds_between_the_thresholds() -> None:
    script = Script()
    assert script.hear(0.45, 20) == []
    script.hear(0.5, 4)
    assert script.hear(0.36, 30) == []
    assert script.state() is EndpointState.SPEAKING
    assert script.hear(0.34, 3) == [SpeechPaused(at(57))]
    assert script.hear(0.45, 5) == [SpeechEnded(at(57), EndReason.SILENCE)]


def test_a_click_is_no_utterance() -> None:
    script = Script()
    for _ in range(5):
        assert script.hear(0.9, 3) + script.hear(0.1, 3) == []
        assert script.state() is EndpointState.QUIET


def test_short_dips_do_not_restart_the_count() -> None:
    script = Script()
    script.hear(0.1, 5)
    assert script.hear(0.9, 2) + script.hear(0.1, 2) + script.hear(0.9, 1) == []
    assert script.hear(0.9, 1) == [SpeechStarted(at(3), at(11))]


def test_a_short_first_word_before_a_gap_is_kept() -> None:
    script = Script()
    script.hear(0.1, 10)
    assert script.hear(0.9, 3) + script.hear(0.1, 7) == []
    assert script.state() is EndpointState.QUIET
    assert script.hear(0.9, 4) == [SpeechStarted(at(8), at(24))]


def test_several_short_words_are_kept_as_far_as_the_lookback() -> None:
    script = Script()
    for _ in range(4):
        script.hear(0.9, 3)
        script.hear(0.1, 6)
    assert script.hear(0.9, 4) == [SpeechStarted(0, at(40))]
    script = Script()
    for _ in range(20):
        script.hear(0.9, 3)
        script.hear(0.1, 6)
    lookback = ms_to_samples(3_000) + ms_to_samples(64)
    assert script.hear(0.9, 4) == [SpeechStarted(at(184) - lookback, at(184))]


def test_clicks_and_words_of_long_ago_are_not_kept() -> None:
    script = Script()
    script.hear(0.1, 10)
    script.hear(0.9, 3)
    script.hear(0.1, 8)
    assert script.hear(0.9, 4) == [SpeechStarted(at(19), at(25))]
    script = Script()
    script.hear(0.1, 10)
    script.hear(0.9, 1)
    script.hear(0.1, 4)
    assert script.hear(0.9, 4) == [SpeechStarted(at(13), at(19))]


def test_a_first_word_is_used_once_and_not_across_a_flush() -> None:
    script = Script()
    script.hear(0.9, 3)
    script.hear(0.1, 4)
    script.flush()
    assert script.hear(0.9, 4) == [SpeechStarted(at(7), at(11))]
    script.hear(0.1, 8)
    assert script.hear(0.9, 4) == [SpeechStarted(at(17), at(23))]


def test_pre_roll_stops_at_the_beginning_and_at_the_last_end() -> None:
    script = Script(replace(CONFIG, pre_roll_ms=1_000))
    assert script.hear(0.9, 4) == [SpeechStarted(0, at(4))]
    ended = SpeechEnded(at(7), EndReason.SILENCE)
    assert script.hear(0.1, 8) == [SpeechPaused(at(7)), ended]
    assert script.hear(0.9, 4) == [SpeechStarted(at(7), at(16))]


def test_speech_comes_back_after_a_pause() -> None:
    script = Script()
    script.hear(0.9, 10)
    assert script.hear(0.1, 7) == [SpeechPaused(at(13))]
    assert script.hear(0.9, 1) == [SpeechResumed(at(17))]
    assert script.hear(0.9, 5) == []
    assert script.hear(0.1, 8) == [SpeechPaused(at(26)), SpeechEnded(at(26), EndReason.SILENCE)]


def test_a_dip_shorter_than_a_pause_says_nothing() -> None:
    script = Script()
    script.hear(0.9, 10)
    assert script.hear(0.1, 2) + script.hear(0.9, 2) == []


def test_after_the_soft_end_a_pause_is_enough() -> None:
    script = Script()
    script.hear(0.9, 100)
    paused = [SpeechPaused(at(103)), SpeechEnded(at(103), EndReason.SILENCE)]
    assert script.hear(0.1, 3) == paused


def test_the_soft_end_may_come_within_a_pause() -> None:
    script = Script()
    script.hear(0.9, 95)
    assert script.hear(0.1, 4) == [SpeechPaused(at(98))]
    assert script.hear(0.1, 1) == [SpeechEnded(at(98), EndReason.SILENCE)]


def test_the_hard_end_splits_where_it_sounds_least_like_speech() -> None:
    script = Script()
    script.hear(0.9, 150)
    script.hear(0.6, 1)
    assert script.hear(0.9, 48) == []
    split = [SpeechEnded(at(151), EndReason.SPLIT), SpeechStarted(at(151), at(200))]
    assert script.hear(0.9, 1) == split
    assert script.state() is EndpointState.SPEAKING
    assert script.hear(0.9, 150) == []
    assert script.hear(0.9, 1)[0] == SpeechEnded(at(351), EndReason.SPLIT)


def test_the_split_looks_back_three_seconds_only() -> None:
    script = Script()
    script.hear(0.9, 100)
    script.hear(0.4, 1)
    events = script.hear(0.9, 99)
    assert events[0] == SpeechEnded(at(200), EndReason.SPLIT)


def test_a_split_in_a_dip_waits_for_the_next_word() -> None:
    script = Script()
    script.hear(0.9, 198)
    assert script.hear(0.1, 2) == [SpeechEnded(at(200), EndReason.SPLIT)]
    assert script.hear(0.9, 1) == [SpeechStarted(at(200), at(201))]
    assert script.state() is EndpointState.SPEAKING


def test_a_split_before_silence_opens_no_utterance() -> None:
    script = Script()
    script.hear(0.9, 198)
    assert script.hear(0.1, 60) == [SpeechEnded(at(200), EndReason.SPLIT)]
    assert script.state() is EndpointState.QUIET
    assert script.hear(0.9, 4) == [SpeechStarted(at(256), at(262))]


def test_a_flush_after_a_split_before_silence_opens_no_utterance() -> None:
    script = Script()
    script.hear(0.9, 198)
    assert script.hear(0.1, 2) == [SpeechEnded(at(200), EndReason.SPLIT)]
    assert script.flush() == []


def test_a_pause_that_spans_a_split_ends_the_second_utterance() -> None:
    script = Script()
    script.hear(0.9, 150)
    script.hear(0.0, 1)
    script.hear(0.9, 48)
    split = [SpeechEnded(at(151), EndReason.SPLIT), SpeechStarted(at(151), at(200))]
    assert script.hear(0.1, 1) == split
    assert script.state() is EndpointState.STOPPING
    assert script.hear(0.1, 2) == [SpeechPaused(at(202))]
    assert script.hear(0.1, 5) == [SpeechEnded(at(202), EndReason.SILENCE)]


def test_flush_while_speaking_ends_at_the_last_sample() -> None:
    script = Script()
    script.hear(0.9, 10)
    assert script.endpointer.flush(at(10) - 100) == [SpeechEnded(at(10) - 100, EndReason.FLUSH)]
    assert script.state() is EndpointState.QUIET


def test_flush_while_stopping() -> None:
    script = Script()
    script.hear(0.9, 10)
    script.hear(0.1, 2)
    assert script.flush() == [SpeechEnded(at(12), EndReason.FLUSH)]
    script.hear(0.9, 10)
    script.hear(0.1, 5)
    assert script.flush() == [SpeechEnded(at(25), EndReason.FLUSH)]


def test_flush_does_not_lose_a_short_last_word() -> None:
    script = Script()
    script.hear(0.1, 10)
    script.hear(0.9, 2)
    assert script.flush() == [SpeechStarted(at(8), at(12)), SpeechEnded(at(12), EndReason.FLUSH)]
    script.hear(0.9, 1)
    assert script.flush() == []
    assert script.state() is EndpointState.QUIET


def test_a_part_window_counts_its_samples() -> None:
    script = Script()
    script.hear(0.9, 1)
    script.endpointer.step(0.9, at(1), WINDOW_SAMPLES - 1)
    assert script.endpointer.flush(at(2) - 1) == []


def test_flush_is_a_border_for_the_pre_roll() -> None:
    script = Script(replace(CONFIG, pre_roll_ms=1_000))
    script.hear(0.1, 20)
    assert script.flush() == []
    assert script.hear(0.9, 4) == [SpeechStarted(at(20), at(24))]


def test_flush_twice_says_nothing_more() -> None:
    script = Script()
    script.hear(0.9, 10)
    script.flush()
    assert script.flush() == []


def test_energy_probabilities_work_the_same() -> None:
    script = Script()
    assert script.hear(1.0, 4) == [SpeechStarted(0, at(4))]
    ended = SpeechEnded(at(7), EndReason.SILENCE)
    assert script.hear(0.0, 8) == [SpeechPaused(at(7)), ended]


def test_new_settings_hold_from_the_next_window() -> None:
    script = Script()
    script.hear(0.9, 10)
    assert script.hear(0.1, 7) == [SpeechPaused(at(13))]
    script.endpointer.set_config(replace(CONFIG, end_silence_ms=1_600))
    assert script.hear(0.1, 42) == []
    assert script.hear(0.1, 1) == [SpeechEnded(at(13), EndReason.SILENCE)]


def test_a_pause_longer_than_the_end_silence_is_cut_to_it() -> None:
    script = Script(replace(CONFIG, pause_ms=1_000, gap_ms=1_000))
    script.hear(0.9, 10)
    ended = SpeechEnded(at(18), EndReason.SILENCE)
    assert script.hear(0.1, 8) == [SpeechPaused(at(18)), ended]


def test_defaults_end_an_utterance_after_half_a_second() -> None:
    script = Script(FrontendConfig())
    assert script.hear(0.9, 6) == []
    assert script.hear(0.9, 1) == [SpeechStarted(0, at(7))]
    paused = at(7) + ms_to_samples(96)
    events = script.hear(0.1, 16)
    assert events == [SpeechPaused(paused), SpeechEnded(paused, EndReason.SILENCE)]
