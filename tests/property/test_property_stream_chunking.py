"""The same bytes, however cut, give the same events: from the wire's bytes to every transcript."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.effects import Effect, Retire, Submit
from asr.scripted_engine import ScriptedEngine
from asr.types import DecodeRequest, DecodeResult
from audio.intake import AudioIntake
from audio.types import FrontendConfig, NoiseReduction, VadKind
from audio.vad import SileroModel
from tests.support.recogniser_rig import Rig
from tests.support.speech import pcm16, pieces, spoken, utterances

CONFIG = FrontendConfig(
    vad=VadKind.ENERGY,
    min_speech_ms=96,
    end_silence_ms=400,
    noise_reduction=NoiseReduction.OFF,
    soft_end_ms=4_000,
    hard_end_ms=5_000,
)

# pauses inside and between utterances, and one that is split for its length
AUDIO = pcm16(
    np.concatenate(
        [utterances(1.0, 0.6, pause_s=0.3), utterances(1.4), utterances(6.0), spoken(0.6)]
    )
)
SHORT = pcm16(utterances(0.8, 0.4, pause_s=0.5))


@pytest.fixture(scope="module")
def silero() -> SileroModel:
    return SileroModel()


def everything(silero: SileroModel, messages: list[bytes]) -> list[Effect]:
    """All effects of a stream whose decodes are answered at once, but for the audio in them."""
    engine = ScriptedEngine()

    def decode(request: DecodeRequest) -> DecodeResult:
        (hypothesis,) = engine.decode([engine.prepare(request)])
        return DecodeResult(request, hypothesis, 0.0, 0.25, 1)

    rig = Rig(decoder=decode)
    intake = AudioIntake(CONFIG, silero)
    for result in (*map(intake.push, messages), intake.flush()):
        assert result.problems == ()
        for item in result.streams[0]:
            rig.feed(item)
    assert rig.recogniser.idle
    return [effect for effect in rig.effects if not isinstance(effect, Submit | Retire)]


def test_whole_and_cut_audio_give_every_event_alike(silero: SileroModel) -> None:
    whole = everything(silero, [AUDIO])
    kinds = [type(effect).__name__ for effect in whole]
    assert kinds.count("FinalText") == kinds.count("SpeechBegan") >= 5
    assert kinds.count("PartialText") >= 5
    for size in (7, 640, 320_000):
        assert everything(silero, pieces(AUDIO, size)) == whole


def test_single_bytes(silero: SileroModel) -> None:
    assert everything(silero, pieces(SHORT, 1)) == everything(silero, [SHORT])


@settings(max_examples=20)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=60))
def test_any_cut(silero: SileroModel, sizes: list[int]) -> None:
    messages, rest = [], AUDIO
    for size in sizes:
        messages.append(rest[:size])
        rest = rest[size:]
    assert everything(silero, [*messages, rest]) == everything(silero, [AUDIO])
