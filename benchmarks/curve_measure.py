"""One run of a loaded engine over clips, in worker threads as the scheduler has them."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import psutil

from asr.engine import Engine, Prepared
from asr.features import context_frames
from asr.quality import LONG_NGRAM
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, Hypothesis
from audio.types import SAMPLE_RATE_HZ, Samples
from benchmarks.curve_points import Point, Setting, spread
from benchmarks.dataset import Clip
from benchmarks.scoring import bootstrap_difference, cer, corpus_cer

RSS_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """A clip with its audio read: float32 mono at 16 kHz."""

    clip: Clip
    audio: Samples


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run took. CPU seconds are the whole process's; `texts` are by clip id."""

    cpu_s: float
    wall_s: float
    decode_s: float
    """Median wall time of a batch."""
    peak_rss_mb: float
    texts: dict[str, str]


class PeakRss:
    """The largest resident memory of this process while it is entered."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-rss", daemon=True)
        self.peak_mb = 0.0

    def __enter__(self) -> PeakRss:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        waiting = True
        while waiting:
            waiting = not self._done.wait(RSS_INTERVAL_S)
            self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)


def read_clips(clips: Sequence[Clip]) -> list[Spoken]:
    """Clips with their audio."""
    return [Spoken(clip, clip.samples().astype(np.float32) / np.float32(32_768)) for clip in clips]


def same_bucket(spoken: Sequence[Spoken], margin_ms: int, count: int) -> list[Spoken]:
    """`count` clips that may share batches: those of the commonest context, again and again."""
    frames = [context_frames(len(one.audio), margin_ms) for one in spoken]
    commonest, _ = Counter(frames).most_common(1)[0]
    fitting = [one for one, own in zip(spoken, frames, strict=True) if own == commonest]
    return [fitting[index % len(fitting)] for index in range(count)]


def measure(engine: Engine, spoken: Sequence[Spoken], setting: Setting) -> Sample:
    """Decode all clips once, as many at a time as the setting says. Raises EngineError."""
    requests = [_request(engine, index, one, setting) for index, one in enumerate(spoken)]
    with PeakRss() as memory, ThreadPoolExecutor(setting.workers, "decode") as pool:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        batches = group(list(pool.map(engine.prepare, requests)), setting.batch)
        decoded = list(pool.map(lambda batch: _decode(engine, batch), batches))
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    texts = {
        spoken[prepared.request.request_id].clip.id: hypothesis.text
        for batch, (hypotheses, _) in zip(batches, decoded, strict=True)
        for prepared, hypothesis in zip(batch, hypotheses, strict=True)
    }
    decode_s = statistics.median(took_s for _, took_s in decoded)
    return Sample(cpu_s, wall_s, decode_s, memory.peak_mb, texts)


def group(prepared: Sequence[Prepared], batch: int) -> list[list[Prepared]]:
    """Batches of equal keys and at most `batch` items, each key's in the order given."""
    by_key: dict[Hashable, list[Prepared]] = {}
    for one in prepared:
        by_key.setdefault(one.batch_key, []).append(one)
    return [
        items[start : start + batch]
        for items in by_key.values()
        for start in range(0, len(items), batch)
    ]


def _decode(engine: Engine, batch: Sequence[Prepared]) -> tuple[list[Hypothesis], float]:
    began_s = time.perf_counter()
    hypotheses = engine.decode(batch)
    return hypotheses, time.perf_counter() - began_s


def _options(setting: Setting) -> DecodeOptions:
    """As finals are decoded: without the loops that would decide every comparison."""
    return DecodeOptions(setting.beam, setting.margin_ms, no_repeat_ngram_size=LONG_NGRAM)


def _request(engine: Engine, index: int, spoken: Spoken, setting: Setting) -> DecodeRequest:
    return DecodeRequest(
        request_id=index,
        stream_id=str(index),
        epoch=0,
        utterance_id=0,
        revision=0,
        kind=DecodeKind.FINAL,
        audio=spoken.audio,
        options=_options(setting),
        model_id=engine.info.model_id,
        created_s=0.0,
        deadline_s=0.0,
    )


def make_point(
    setting: Setting,
    samples: Sequence[Sample],
    spoken: Sequence[Spoken],
    reference: Mapping[str, str],
) -> Point:
    """Costs over the repeats, and CER with its difference to the reference's texts."""
    speech_s = sum(len(one.audio) for one in spoken) / SAMPLE_RATE_HZ
    texts = samples[0].texts
    clips = {one.clip.id: one.clip for one in spoken}
    scores = [cer(clip.text, texts[name]) for name, clip in clips.items()]
    references = [cer(clip.text, reference[name]) for name, clip in clips.items()]
    return Point(
        setting=setting,
        utterances=len(spoken),
        repeats=len(samples),
        cpu_s_per_speech_s=spread([sample.cpu_s / speech_s for sample in samples]),
        wall_s_per_utterance=spread([sample.wall_s / len(spoken) for sample in samples]),
        decode_s=spread([sample.decode_s for sample in samples]),
        peak_rss_mb=samples[0].peak_rss_mb,
        cer=corpus_cer(scores),
        cer_difference=corpus_cer(scores) - corpus_cer(references),
        cer_interval=bootstrap_difference(scores, references),
    )
