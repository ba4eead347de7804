from __future__ import annotations

import numpy as np
import pytest

from asr.engine import EngineError, Prepared
from asr.scripted_engine import ScriptedEngine
from asr.types import DecodeKind, DecodeOptions, DecodeRequest
from benchmarks.curve_measure import Sample, group, make_point, measure, same_bucket
from benchmarks.curve_points import Axis, Setting, Spread
from tests.support.curve_points import spoken

SETTING = Setting(Axis.SPEED, batch=2, workers=2, threads=1, margin_ms=500, beam=5)


def prepared(request_id: int, key: str) -> Prepared:
    request = DecodeRequest(
        request_id=request_id,
        stream_id="",
        epoch=0,
        utterance_id=0,
        revision=0,
        kind=DecodeKind.FINAL,
        audio=np.zeros(0, dtype=np.float32),
        options=DecodeOptions(),
        model_id="",
        created_s=0.0,
        deadline_s=0.0,
    )
    return Prepared(request, key, None)


def test_batches_hold_equal_keys_and_no_more_than_asked() -> None:
    items = [prepared(index, key) for index, key in enumerate("abaab")]
    batches = [[one.request.request_id for one in batch] for batch in group(items, 2)]
    assert batches == [[0, 2], [3], [1, 4]]


def test_clips_of_the_commonest_length_are_repeated() -> None:
    clips = [spoken("a", 1.2), spoken("b", 4.2), spoken("c", 4.4), spoken("d", 8.0)]
    chosen = same_bucket(clips, 500, 5)
    assert [one.clip.id for one in chosen] == ["b", "c", "b", "c", "b"]


def test_every_clip_is_decoded_once_in_batches_as_the_setting_says() -> None:
    engine = ScriptedEngine(workers=2)
    clips = [spoken(name, seconds) for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 3.0))]
    sample = measure(engine, clips, SETTING)
    assert sorted(len(batch) for batch in engine.batches) == [1, 2]
    options = {request.options for batch in engine.batches for request in batch}
    assert options == {DecodeOptions(5, 500, no_repeat_ngram_size=10)}
    alone = {one.clip.id: measure(engine, [one], SETTING).texts[one.clip.id] for one in clips}
    assert sample.texts == alone
    assert len(set(alone.values())) == 3
    assert sample.peak_rss_mb > 1


def test_a_failing_decode_is_not_a_text() -> None:
    with pytest.raises(EngineError):
        measure(ScriptedEngine(fail_on=lambda _: True), [spoken("a", 1.0)], SETTING)


def test_costs_are_per_second_and_utterance_and_clips_count_once_for_accuracy() -> None:
    clips = [spoken("a", 1.0), spoken("b", 3.0), spoken("a", 1.0), spoken("b", 3.0)]
    samples = [
        Sample(cpu_s=cpu_s, wall_s=2 * cpu_s, decode_s=0.5, peak_rss_mb=rss, texts=texts)
        for cpu_s, rss, texts in (
            (4.0, 300.0, {"a": "กขคง", "b": "กขxx"}),
            (8.0, 400.0, {"a": "กขคง", "b": "กขxx"}),
        )
    ]
    point = make_point(SETTING, samples, clips, {"a": "กขคง", "b": "กขคx"})
    assert point.cpu_s_per_speech_s == Spread(0.75, 0.5, 1.0)
    assert point.wall_s_per_utterance == Spread(3.0, 2.0, 4.0)
    assert (point.utterances, point.repeats, point.peak_rss_mb) == (4, 2, 300.0)
    assert (point.cer, point.cer_difference) == (2 / 8, 1 / 8)
    assert point.cer_interval[0] <= 1 / 8 <= point.cer_interval[1]
