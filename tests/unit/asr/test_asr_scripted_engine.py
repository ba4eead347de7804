"""The scripted engine keeps the engine contract, and its text depends on the samples alone."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest

from asr.engine import Engine, EngineError
from asr.quality import QualityGate, VerdictKind
from asr.scripted_engine import SYLLABLE_MS, ScriptedEngine
from asr.types import DecodeKind, DecodeOptions, DecodeRequest
from audio.types import SAMPLE_RATE_HZ, Samples, ms_to_samples


def tone(seconds: float, hz: float = 220.0, level: float = 0.3) -> Samples:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


REQUEST = DecodeRequest(
    request_id=1,
    stream_id="a",
    epoch=0,
    utterance_id=1,
    revision=1,
    kind=DecodeKind.FINAL,
    audio=tone(1.0),
    options=DecodeOptions(),
    model_id="scripted",
    created_s=0.0,
    deadline_s=1.0,
)


def text_of(engine: Engine, audio: Samples) -> str:
    return engine.decode([engine.prepare(replace(REQUEST, audio=audio))])[0].text


def test_longer_audio_extends_the_text_of_its_beginning() -> None:
    engine = ScriptedEngine()
    audio = np.concatenate([tone(0.9), tone(0.5, level=0.0), tone(1.4, 700.0)])
    texts = [text_of(engine, audio[:end]) for end in range(0, len(audio) + 1, 1_111)]
    assert texts[0] == ""
    assert len(set(texts)) > 8
    assert all(longer.startswith(text) for text, longer in itertools.pairwise(texts))


def test_text_follows_the_sound() -> None:
    engine = ScriptedEngine()
    assert text_of(engine, tone(1.0, 220.0)) != text_of(engine, tone(1.0, 900.0))
    assert text_of(engine, tone(1.0)) == text_of(engine, tone(1.0))


def test_a_batch_says_what_each_says_alone() -> None:
    engine = ScriptedEngine()
    audios = [tone(0.7), tone(2.0, 500.0), tone(1.0, level=0.0)]
    batch = [engine.prepare(replace(REQUEST, audio=audio)) for audio in audios]
    together = [hypothesis.text for hypothesis in engine.decode(batch)]
    assert together == [text_of(engine, audio) for audio in audios]
    assert len(engine.batches[0]) == 3


@pytest.mark.parametrize("seconds", [0.5, 3.0, 15.0])
def test_a_steady_tone_passes_the_quality_gate(seconds: float) -> None:
    engine = ScriptedEngine()
    hypothesis = engine.decode([engine.prepare(replace(REQUEST, audio=tone(seconds)))])[0]
    assert QualityGate().judge(hypothesis, seconds, seconds).kind is VerdictKind.ACCEPT


def test_silence_is_no_speech() -> None:
    engine = ScriptedEngine()
    prepared = engine.prepare(replace(REQUEST, audio=tone(1.0, level=0.001)))
    assert QualityGate().judge(engine.decode([prepared])[0], 1.0, 1.0).kind is VerdictKind.NO_SPEECH


def test_a_script_is_said_by_voiced_duration() -> None:
    engine = ScriptedEngine(script=["สวัสดี", "ครับ", " ผม"])
    piece_s = SYLLABLE_MS / 1000
    assert text_of(engine, tone(2 * piece_s)) == "สวัสดีครับ"
    assert text_of(engine, tone(2 * piece_s)[:-1]) == "สวัสดี"
    assert text_of(engine, tone(9 * piece_s)) == "สวัสดีครับ ผม"


def test_delay_gate_and_failure() -> None:
    gate = threading.Event()
    seen: list[int] = []

    def delay(batch: object) -> float:
        seen.append(1)
        gate.set()
        return 0.0

    engine = ScriptedEngine(
        delay=delay, gate=gate, fail_on=lambda request: request.stream_id == "bad"
    )
    assert text_of(engine, tone(1.0))
    assert seen == [1]
    good, bad = engine.prepare(REQUEST), engine.prepare(replace(REQUEST, stream_id="bad"))
    with pytest.raises(EngineError, match="script"):
        engine.decode([good, bad])
    assert engine.decode([good])[0].text


def test_a_closed_engine_refuses() -> None:
    engine = ScriptedEngine()
    prepared = engine.prepare(REQUEST)
    engine.close()
    for call in (lambda: engine.prepare(REQUEST), lambda: engine.decode([prepared])):
        with pytest.raises(EngineError) as caught:
            call()
        assert caught.value.code == "engine_closed"


def test_a_piece_is_a_whole_number_of_samples() -> None:
    assert ms_to_samples(SYLLABLE_MS) * 1000 == SYLLABLE_MS * SAMPLE_RATE_HZ
