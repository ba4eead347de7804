"""A recogniser under any order of speech events and decode outcomes."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from asr.effects import FinalText, PartialText, SpeechBegan, SpeechOver, Submit
from asr.recogniser import RecogniserConfig
from asr.types import DecodeKind, DecodeRequest, Profile
from audio.types import WINDOW_SAMPLES, EndReason
from tests.support.recogniser_rig import (
    DOUBTFUL_LOGPROB,
    GOOD_LOGPROB,
    TEXT,
    Rig,
    dropped,
    failed,
    result,
    span,
)

LONGEST_SAMPLES = 28 * 16_000
TEXTS = ["", TEXT[:7], "ตลาด", "ครับตลาด", "ก" * 60, "ขอบคุณที่รับชม"]
"""Nothing, prefixes, repetitions at a split, a loop, a stock phrase."""


class RecogniserMachine(RuleBasedStateMachine):
    @initialize(
        profile=st.sampled_from(Profile),
        overlap_ms=st.sampled_from([0, 200]),
        interval_ms=st.sampled_from([200, 1_000]),
    )
    def begin(self, profile: Profile, overlap_ms: int, interval_ms: int) -> None:
        self.rig = Rig(
            profile=profile,
            config=RecogniserConfig(overlap_ms=overlap_ms),
            first_partial_ms=interval_ms,
            partial_interval_ms=interval_ms,
        )
        self.start_sample: int | None = None
        self.pause_sample: int | None = None
        self.floor = 0
        self.spans: dict[int, tuple[int, int]] = {}
        self.answers: set[tuple[int, int, str]] = set()
        """(utterance, end of the audio, text) of each hypothesis given."""
        self.seen = 0

    # -- speech, as an endpointer may tell it --------------------------------------------------

    @property
    def open(self) -> bool:
        return self.start_sample is not None

    @property
    def room(self) -> bool:
        """An endpointer splits before an utterance is too long to decode."""
        return not self.open or self.rig.position - (self.start_sample or 0) < LONGEST_SAMPLES

    @precondition(lambda self: self.room)
    @rule(windows=st.integers(15, 60))
    def audio(self, windows: int) -> None:
        self.rig.audio(windows * 32)

    @precondition(lambda self: not self.open)
    @rule(pre_roll=st.integers(0, 40))
    def speech_starts(self, pre_roll: int) -> None:
        self.start(max(self.floor, self.rig.position - pre_roll * WINDOW_SAMPLES))

    @precondition(lambda self: self.open and self.pause_sample is None)
    @rule()
    def pause(self) -> None:
        self.pause_sample = self.rig.position
        self.rig.pause()

    @precondition(lambda self: self.pause_sample is not None)
    @rule()
    def resume(self) -> None:
        self.pause_sample = None
        self.rig.resume()

    @precondition(lambda self: self.pause_sample is not None)
    @rule()
    def silence_ends(self) -> None:
        assert self.pause_sample is not None
        self.end(self.pause_sample, EndReason.SILENCE)

    @precondition(lambda self: self.open)
    @rule(at_pause=st.booleans())
    def flush(self, at_pause: bool) -> None:
        at = self.pause_sample if at_pause and self.pause_sample is not None else self.rig.position
        self.end(at, EndReason.FLUSH)

    @precondition(lambda self: self.open and self.pause_sample is None)
    @rule(back=st.integers(0, 90), goes_on=st.booleans())
    def split(self, back: int, goes_on: bool) -> None:
        assert self.start_sample is not None
        split = max(self.start_sample, self.rig.position - back * WINDOW_SAMPLES)
        self.end(split, EndReason.SPLIT)
        if goes_on:
            self.start(split)

    @rule()
    def wire_falls_silent(self) -> None:
        self.rig.take(self.rig.recogniser.nudge(self.rig.position / 16_000))

    @rule()
    def server_ends(self) -> None:
        self.rig.take(self.rig.recogniser.hurry())

    # -- decoding, in any order ----------------------------------------------------------------

    @precondition(lambda self: self.rig.open_requests)
    @rule(
        data=st.data(),
        text=st.just(TEXT) | st.sampled_from(TEXTS),
        logprob=st.just(GOOD_LOGPROB) | st.sampled_from([DOUBTFUL_LOGPROB, -3.0]),
    )
    def decoded(self, data: st.DataObject, text: str, logprob: float) -> None:
        self.decode(self.any_request(data), text, logprob)

    @precondition(lambda self: self.rig.open_requests)
    @rule(data=st.data(), outcome=st.sampled_from([failed, dropped]))
    def not_decoded(self, data: st.DataObject, outcome: object) -> None:
        assert callable(outcome)
        self.rig.answer(outcome(self.any_request(data)))

    # -- what must hold ------------------------------------------------------------------------

    @invariant()
    def each_utterance_has_at_most_one_terminal_effect_in_order(self) -> None:
        done = [terminal.utterance_id for terminal in self.rig.terminals]
        assert done == list(range(1, len(done) + 1))
        assert len(done) + self.rig.recogniser.pending_finals + self.open == len(self.rig.leases)
        for final in self.rig.of(FinalText):
            assert (final.start_sample, final.end_sample) == self.spans[final.utterance_id]
            assert final.text or final.reason
            assert not final.text or any(
                (utterance_id, end_sample) == (final.utterance_id, final.end_sample)
                and text.endswith(final.text)
                for utterance_id, end_sample, text in self.answers
            ), "the text is that of the utterance's own audio, to its end"

    @invariant()
    def models_are_held_exactly_as_long_as_they_are_owed(self) -> None:
        done = len(self.rig.terminals)
        releases = [lease.releases for lease in self.rig.leases]
        assert releases == [1] * done + [0] * (len(releases) - done)

    @invariant()
    def effects_tell_a_sensible_story(self) -> None:
        """Partials within their utterance only, and stable text that only grows."""
        open_id, stable, revision = 0, "", 0
        for effect in self.rig.effects:
            match effect:
                case SpeechBegan():
                    assert open_id == 0
                    open_id, stable, revision = effect.utterance_id, "", 0
                case SpeechOver():
                    assert effect.utterance_id == open_id
                    open_id = 0
                case PartialText():
                    assert effect.utterance_id == open_id
                    assert effect.text.startswith(effect.stable_text)
                    assert effect.stable_text.startswith(stable)
                    assert effect.revision > revision
                    stable, revision = effect.stable_text, effect.revision

    @invariant()
    def requests_hold_their_audio_and_one_partial_waits(self) -> None:
        new = self.rig.effects[self.seen :]
        self.seen = len(self.rig.effects)
        for request in (effect.request for effect in new if isinstance(effect, Submit)):
            if len(request.audio):
                span(request)
            assert np.float32(request.audio_s) <= 30
        waiting = [r.utterance_id for r in self.rig.open_requests if r.kind is DecodeKind.PARTIAL]
        assert len(waiting) == len(set(waiting))

    def teardown(self) -> None:
        """Whatever happened, every utterance ends in one terminal effect."""
        if self.open:
            self.end(self.rig.position, EndReason.FLUSH)
        while self.rig.open_requests:
            self.decode(self.rig.open_requests[-1], TEXT, GOOD_LOGPROB)
        assert self.rig.recogniser.idle
        assert len(self.rig.terminals) == len(self.rig.leases)
        self.each_utterance_has_at_most_one_terminal_effect_in_order()
        self.models_are_held_exactly_as_long_as_they_are_owed()
        self.effects_tell_a_sensible_story()

    # -- helpers -------------------------------------------------------------------------------

    def any_request(self, data: st.DataObject) -> DecodeRequest:
        return data.draw(st.sampled_from(self.rig.open_requests))

    def decode(self, request: DecodeRequest, text: str, logprob: float) -> None:
        if request.kind is DecodeKind.FINAL and len(request.audio):
            self.answers.add((request.utterance_id, span(request)[1], text))
        self.rig.answer(result(request, text, logprob))

    def start(self, at_sample: int) -> None:
        self.start_sample = at_sample
        self.rig.start(at_sample=at_sample)

    def end(self, at_sample: int, reason: EndReason) -> None:
        assert self.start_sample is not None
        self.spans[len(self.rig.leases)] = (self.start_sample, at_sample)
        self.start_sample = self.pause_sample = None
        self.floor = at_sample
        self.rig.end(at_sample, reason)


TestRecogniserMachine = RecogniserMachine.TestCase
TestRecogniserMachine.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
