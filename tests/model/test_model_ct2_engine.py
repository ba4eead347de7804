"""Whisper base through Ct2Engine, on human Thai speech."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from faster_whisper import WhisperModel

from asr.catalogue import load_catalogue
from asr.ct2_engine import Ct2Engine
from asr.embedded_model import ensure_embedded_model
from asr.engine import EngineError, Prepared, TrialLoad
from asr.features import FULL_FRAMES
from asr.locate import check_model_dir, find_model
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, Hypothesis, ModelSpec
from audio.types import SAMPLE_RATE_HZ, Samples
from benchmarks.dataset import Clip, load_clips
from benchmarks.scoring import cer, corpus_cer
from tests.support.audio_signals import silence

pytestmark = pytest.mark.model

SPEC = load_catalogue(Path(__file__).parents[2] / "models.yaml")["whisper-base"]
CUT = DecodeOptions()
FULL = DecodeOptions(beam_size=5, context_margin_ms=None)


def load(folder: Path, spec: ModelSpec = SPEC) -> Ct2Engine:
    return Ct2Engine(
        folder,
        spec,
        device="cpu",
        compute_type="int8",
        workers=2,
        threads_per_worker=1,
        max_batch=8,
    )


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model_dir(cache_dir: Path) -> Path:
    return ensure_embedded_model(cache_dir)


@pytest.fixture(scope="module")
def engine(model_dir: Path) -> Iterator[Ct2Engine]:
    engine = load(model_dir)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def clips(thai_eval_dir: Path) -> list[Clip]:
    return load_clips(thai_eval_dir / "dev.jsonl")


def heard(clip: Clip) -> Samples:
    return clip.samples().astype(np.float32) / np.float32(32_768)


def request(audio: Samples, options: DecodeOptions) -> DecodeRequest:
    return DecodeRequest(
        request_id=1,
        stream_id="s",
        epoch=0,
        utterance_id=1,
        revision=1,
        kind=DecodeKind.FINAL,
        audio=audio,
        options=options,
        model_id=SPEC.id,
        created_s=0.0,
        deadline_s=0.0,
    )


def decode(engine: Ct2Engine, audio: Samples, options: DecodeOptions) -> Hypothesis:
    return engine.decode([engine.prepare(request(audio, options))])[0]


def same(ours: Sequence[Hypothesis], theirs: Sequence[Hypothesis]) -> bool:
    """Whether texts and tokens are equal; scores may differ by rounding."""
    return all(
        (a.text, a.tokens, a.truncated) == (b.text, b.tokens, b.truncated)
        and a.avg_logprob == pytest.approx(b.avg_logprob, abs=1e-3)
        and a.no_speech_prob == pytest.approx(b.no_speech_prob, abs=1e-3)
        for a, b in zip(ours, theirs, strict=True)
    )


def batch_of(
    engine: Ct2Engine, clips: list[Clip], options: DecodeOptions, size: int
) -> list[Prepared]:
    """Clips whose requests may share a batch."""
    by_key: dict[object, list[Prepared]] = {}
    for clip in clips:
        prepared = engine.prepare(request(heard(clip), options))
        group = by_key.setdefault(prepared.batch_key, [])
        group.append(prepared)
        if len(group) == size:
            return group
    raise AssertionError(f"no {size} clips of one length")


class Recorder:
    """A CTranslate2 model that keeps what it generated."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.tokens: list[list[list[int]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, *arguments: Any, **options: Any) -> Any:
        results = self._model.generate(*arguments, **options)
        self.tokens.append([result.sequences_ids[0] for result in results])
        return results


def test_the_embedded_model_is_found_fit_and_loaded(
    engine: Ct2Engine, model_dir: Path, cache_dir: Path
) -> None:
    assert find_model(SPEC, cache_dir) == model_dir
    check_model_dir(model_dir)
    info = engine.info
    assert (info.model_id, info.device, info.workers) == ("whisper-base", "cpu", 2)
    assert info.compute_type.startswith("int8")


def test_the_full_window_gives_what_faster_whisper_gives(
    engine: Ct2Engine, model_dir: Path, clips: list[Clip]
) -> None:
    reference = WhisperModel(str(model_dir), device="cpu", compute_type="int8", cpu_threads=1)
    for clip in clips[::10]:
        audio = heard(clip)
        segments, _ = reference.transcribe(
            np.pad(audio, (0, 30 * SAMPLE_RATE_HZ - len(audio))),
            language="th",
            beam_size=5,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        (segment,) = segments
        ours = decode(engine, audio, FULL)
        assert ours.text == segment.text.strip()
        assert ours.avg_logprob == pytest.approx(segment.avg_logprob, abs=1e-5)
        assert ours.no_speech_prob == pytest.approx(segment.no_speech_prob, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "size"), [(CUT, 4), (FULL, 2)], ids=["cut greedy", "full beam 5"]
)
def test_a_batch_gives_what_its_items_give_alone(
    engine: Ct2Engine, clips: list[Clip], options: DecodeOptions, size: int
) -> None:
    batch = batch_of(engine, clips, options, size)
    assert same(engine.decode(batch), [engine.decode([prepared])[0] for prepared in batch])


def test_two_threads_get_what_one_gets(engine: Ct2Engine, clips: list[Clip]) -> None:
    prepared = [engine.prepare(request(heard(clip), CUT)) for clip in clips[:4]]
    alone = [engine.decode([item])[0] for item in prepared]
    with ThreadPoolExecutor(2) as pool:
        together = [answer[0] for answer in pool.map(lambda item: engine.decode([item]), prepared)]
    assert same(together, alone)


def test_a_cut_context_hears_thai(engine: Ct2Engine, clips: list[Clip]) -> None:
    scores = [cer(clip.text, decode(engine, heard(clip), CUT).text) for clip in clips[::4]]
    assert corpus_cer(scores) < 0.45


def test_the_talking_clock_is_understood(engine: Ct2Engine) -> None:
    files = importlib.metadata.files("thai-talking-clock") or ()
    sounds = {Path(file.name).stem: Path(str(file.locate())) for file in files}
    words = ("begintime", "7", "hour", "45", "minute")
    text = decode(engine, np.concatenate([mp3(sounds[word]) for word in words]), FULL).text
    assert text.startswith("สวัสดีค่ะ")
    assert "เป็นเวลา" in text
    assert text.endswith("45 นาที")


def mp3(path: Path) -> Samples:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        pieces = [piece.to_ndarray()[0] for frame in frames for piece in resampler.resample(frame)]
    samples: Samples = np.concatenate(pieces)
    return samples


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 20])
def test_a_decode_stops_at_its_token_limit_and_says_so(
    engine: Ct2Engine, clips: list[Clip], limit: int
) -> None:
    hypothesis = decode(engine, heard(clips[0]), replace(CUT, max_new_tokens=limit))
    assert len(hypothesis.tokens) == limit
    assert hypothesis.truncated


@pytest.mark.parametrize(
    ("seconds", "options", "limit"),
    [
        (1.0, CUT, 1.5 * 22.5 + 12),
        (1.5, CUT, 1.5 * 22.5 + 12),
        (3.0, CUT, 4.5 * 22.5 + 12),
        (4.5, CUT, 4.5 * 22.5 + 12),
        (3.0, FULL, 5 * 22.5 + 12),
        (5.0, FULL, 5 * 22.5 + 12),
        (29.0, FULL, 224),
        (12.0, CUT, 224),
        (12.0, replace(CUT, max_new_tokens=300), 224),
        (12.0, replace(CUT, max_new_tokens=30), 30),
    ],
)
def test_the_token_limit_is_what_a_mouth_can_say_and_the_same_for_a_batch(
    engine: Ct2Engine, seconds: float, options: DecodeOptions, limit: float
) -> None:
    key = engine.prepare(request(silence(seconds), options)).batch_key
    assert getattr(key, "new_tokens", None) == int(limit)


def test_sampling_gives_text(engine: Ct2Engine, clips: list[Clip]) -> None:
    hypothesis = decode(engine, heard(clips[0]), replace(CUT, temperature=0.4))
    assert hypothesis.text
    assert hypothesis.avg_logprob < 0.0


def test_a_batch_needs_items_of_one_key(engine: Ct2Engine, clips: list[Clip]) -> None:
    mixed = [engine.prepare(request(heard(clips[0]), options)) for options in (CUT, FULL)]
    for batch in ([], mixed):
        with pytest.raises(EngineError) as caught:
            engine.decode(batch)
        assert caught.value.code == "bad_batch"


def test_closing_waits_for_a_decode_and_ends_decoding(model_dir: Path, clips: list[Clip]) -> None:
    engine = load(model_dir)
    batch = [engine.prepare(request(heard(clips[0]), FULL))]
    results: list[Hypothesis] = []
    thread = threading.Thread(target=lambda: results.extend(engine.decode(batch)))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    engine.close()
    thread.join()
    assert len(results) == 1
    assert results[0].text
    with pytest.raises(EngineError, match="unloaded") as caught:
        engine.decode(batch)
    assert caught.value.code == "decode_failed"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is given back explicitly on Linux")
def test_closing_gives_the_memory_back(model_dir: Path) -> None:
    process = psutil.Process()
    engine = load(model_dir)
    decode(engine, silence(1.0), CUT)
    loaded = process.memory_info().rss
    engine.close()
    assert loaded - process.memory_info().rss > 60_000_000


def test_what_cannot_be_loaded_is_an_error(model_dir: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).symlink_to(model_dir / name)
    (tmp_path / "model.bin").write_bytes((model_dir / "model.bin").read_bytes()[:1_000_000])
    with pytest.raises(EngineError, match="remove its folder") as caught:
        load(tmp_path)
    assert caught.value.code == "model_load_failed"
    with pytest.raises(EngineError, match="xx") as caught:
        load(model_dir, replace(SPEC, language="xx"))
    assert caught.value.code == "model_load_failed"


@pytest.mark.parametrize(
    "load",
    [
        TrialLoad(frames=800, batch=1, beam_size=1, new_tokens=40),
        TrialLoad(frames=800, batch=3, beam_size=1, new_tokens=7),
        TrialLoad(frames=FULL_FRAMES, batch=1, beam_size=5, new_tokens=12),
    ],
    ids=["cut", "batch", "beam"],
)
def test_a_trial_is_the_same_work_each_time(
    engine: Ct2Engine, monkeypatch: pytest.MonkeyPatch, load: TrialLoad
) -> None:
    recorder = Recorder(engine._model)
    monkeypatch.setattr(engine, "_model", recorder)
    assert all(engine.time_decode(load).cpu_s > 0 for _ in range(2))
    first, second = recorder.tokens
    assert first == second
    assert [len(tokens) for tokens in first] == [load.new_tokens] * load.batch


def test_a_trial_that_the_decoder_cannot_make_is_an_error(engine: Ct2Engine) -> None:
    with pytest.raises(EngineError, match="a trial of 2 tokens gave"):
        engine.time_decode(TrialLoad(frames=100, batch=1, beam_size=1, new_tokens=2))
    with pytest.raises(EngineError) as caught:
        engine.time_decode(TrialLoad(frames=5_000, batch=1, beam_size=1, new_tokens=8))
    assert caught.value.code == "decode_failed"
