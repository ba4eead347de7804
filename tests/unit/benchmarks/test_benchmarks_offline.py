from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from asr.engine import EngineInfo, Prepared, TrialLoad, TrialTime
from asr.requests import RequestMaker
from asr.types import (
    DecodeKind,
    DecodeOptions,
    DecodeRequest,
    DecodeResult,
    Hypothesis,
    ModelFormat,
    ModelSpec,
    Profile,
)
from audio.types import (
    WINDOW_SAMPLES,
    EndReason,
    FrontendItem,
    PcmBlock,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from benchmarks.offline import (
    OfflineRecogniser,
    RememberingDecoder,
    covered_mask,
    touches,
    voiced_mask,
)
from tests.support.recogniser_rig import hypothesis, result

BLOCKS = 100


@dataclass
class Decoder:
    """Says how much audio it was given."""

    lengths: list[int] = field(default_factory=list)
    logprob: float = -0.1

    def __call__(self, request: DecodeRequest) -> DecodeResult:
        self.lengths.append(len(request.audio))
        return result(request, f"ยาว {len(request.audio)}", self.logprob)


SPEC = ModelSpec("m", "M", "", "o/m", ModelFormat.CT2, "fast")


def recording() -> list[FrontendItem]:
    silence = np.zeros(WINDOW_SAMPLES, np.float32)
    return [PcmBlock(index * WINDOW_SAMPLES, silence) for index in range(BLOCKS)]


def test_a_final_is_decoded_once_when_its_pause_holds() -> None:
    decoder = Decoder()
    recogniser = OfflineRecogniser(decoder, Profile.FAST, SPEC)
    items = [
        *recording(),
        *(SpeechStarted(1_000, 5_000), SpeechPaused(20_000), SpeechResumed(22_000)),
        SpeechPaused(40_000),
    ]
    assert [final for item in items for final in recogniser.feed(item)] == []
    assert decoder.lengths == []
    finals = recogniser.feed(SpeechEnded(40_000, EndReason.SILENCE))
    assert [(f.start_sample, f.end_sample, f.text) for f in finals] == [
        (1_000, 40_000, "ยาว 39000")
    ]
    assert decoder.lengths == [39_000]


def test_what_was_said_is_known_at_a_pause_only() -> None:
    recogniser = OfflineRecogniser(Decoder(), Profile.FAST, SPEC)
    for item in (*recording(), SpeechStarted(1_000, 5_000)):
        recogniser.feed(item)
    assert recogniser.text_at_pause() == ""
    recogniser.feed(SpeechPaused(20_000))
    assert recogniser.text_at_pause() == "ยาว 19000"
    recogniser.feed(SpeechResumed(22_000))
    assert recogniser.text_at_pause() == ""


def test_doubtful_finals_go_through_the_profile() -> None:
    decoder = Decoder(logprob=-0.8)
    recogniser = OfflineRecogniser(decoder, Profile.BALANCED, SPEC)
    items = [*recording(), SpeechStarted(0, 5_000), SpeechEnded(20_000, EndReason.FLUSH)]
    assert len([final for item in items for final in recogniser.feed(item)]) == 1
    assert len(decoder.lengths) == 2


@dataclass
class CountingEngine:
    decodes: int = 0
    info: EngineInfo = field(default_factory=lambda: EngineInfo("m", "cpu", "int8", 1, 1))

    def prepare(self, request: DecodeRequest) -> Prepared:
        return Prepared(request, 0, None)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        self.decodes += len(batch)
        return [hypothesis(str(self.decodes)) for _ in batch]

    def time_decode(self, load: TrialLoad) -> TrialTime:
        raise AssertionError("nothing is measured here")

    def close(self) -> None:
        pass


def request(value: float, beam_size: int = 1) -> DecodeRequest:
    return RequestMaker("s", 0).make(
        DecodeKind.FINAL,
        utterance_id=1,
        revision=1,
        audio=np.full(100, value, np.float32),
        options=DecodeOptions(beam_size=beam_size),
        model_id="m",
        now_s=0.0,
        deadline_s=1.0,
    )


def test_equal_audio_with_equal_options_is_decoded_once() -> None:
    engine = CountingEngine()
    decode = RememberingDecoder(engine)
    first = decode(request(0.1))
    again = request(0.1)
    assert decode(again).hypothesis is first.hypothesis
    assert decode(again).request is again
    assert engine.decodes == 1
    decode(request(0.2))
    decode(request(0.1, beam_size=5))
    assert engine.decodes == 3


def test_voiced_frames_are_those_near_the_loudest() -> None:
    loud, soft, noise = (np.full(160, level, np.int16) for level in (10_000, 300, 100))
    samples = np.concatenate((noise, soft, loud, noise, loud[:80]))
    assert voiced_mask(samples).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("ranges", "covered"),
    [
        ([], [0, 0, 0]),
        ([(0, 480)], [1, 1, 1]),
        ([(81, 240)], [0, 0, 0]),
        ([(80, 241)], [1, 1, 0]),
        ([(-500, 100), (400, 9_000)], [1, 0, 1]),
    ],
)
def test_frames_are_covered_by_their_middle(
    ranges: list[tuple[int, int]], covered: list[int]
) -> None:
    assert covered_mask(3, ranges).astype(int).tolist() == covered


def test_touching_is_sharing_more_than_so_much() -> None:
    assert touches((0, 100), (90, 200), 9)
    assert not touches((0, 100), (90, 200), 10)
    assert not touches((0, 100), (100, 200), 0)
